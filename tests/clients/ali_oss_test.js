// The Node SDK against the emulator.
"use strict";

// Resolvers differ in whether they know *.localhost.
const dns = require("dns");
const lookup = dns.lookup;
dns.lookup = (host, ...rest) => lookup(host.endsWith("localhost") ? "127.0.0.1" : host, ...rest);

const assert = require("assert");
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const os = require("os");
const path = require("path");
const OSS = require(path.join(process.env.ALI_OSS, "node_modules", "ali-oss"));

const ENDPOINT = process.env.EMULATOR_ENDPOINT;
const NAMED = `http://localhost:${new URL(ENDPOINT).port}`;
const KIB = 1024;

function call(base, method, where, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(new URL(where, base), { method, headers }, answer => {
      const pieces = [];
      answer.on("data", piece => pieces.push(piece));
      answer.on("end", () => resolve({ status: answer.statusCode, text: Buffer.concat(pieces).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function admin(method, where, body) {
  const answer = await call(process.env.EMULATOR_ADMIN, method, where, body && JSON.stringify(body));
  assert.strictEqual(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

const fault = rule => admin("POST", "/faults", rule);
const move = seconds => admin("POST", "/clock", { advance_seconds: seconds });

async function journal(operation) {
  return (await admin("GET", "/journal")).entries.filter(entry => entry.operation === operation);
}

async function expect(code, action) {
  try {
    await action();
  } catch (error) {
    assert.strictEqual(error.code, code, `${error.code} instead of ${code}: ${error.message}`);
    return error;
  }
  throw new Error(`no error instead of ${code}`);
}

// The client keeps `'`, `(` and the like as they are in paths; it never decodes what a listing encodes.
const ODD_KEYS = ["plain.bin", "dir/sub dir/a b.txt", "a+b=c&d?e#f%20g.bin", "报告 2024 (终稿).pdf", "emoji/😀/naïve.txt",
  "100% real~file_name-v1.2.tar.gz", "quotes/'single'\"double\"/(paren)*star!.txt", "a//b///c", "@:$,;=!/",
  ".hidden/..data/.../file.", "back\\slash|pipe<angle>^caret`tick{brace}[bracket]", "长".repeat(341)];

class World {
  constructor(version) {
    this.version = version;
    this.bucket = `ali-oss-${version}`;
    this.client = this.open({});
  }

  open(options) {
    return new OSS({
      accessKeyId: process.env.EMULATOR_ACCESS_KEY_ID, accessKeySecret: process.env.EMULATOR_ACCESS_KEY_SECRET,
      region: `oss-${process.env.EMULATOR_REGION}`, endpoint: NAMED, bucket: this.bucket, sldEnable: true,
      authorizationV4: this.version === "v4", retryMax: 0, ...options,
    });
  }
}

function file(data) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ali-oss-"));
  const name = path.join(folder, "file");
  fs.writeFileSync(name, data);
  return { name, remove: () => fs.rmSync(folder, { recursive: true }) };
}

async function paste(lines, protocol) {
  const printed = fs.readFileSync(lines, "utf8").split("# Node, ali-oss")[1];
  const client = new Function("OSS", printed.slice(printed.indexOf("\n")) + "; return client;")(OSS);
  assert.strictEqual(client.options.endpoint.protocol, protocol);
  await client.put("ali-oss", Buffer.from("pasted"));
  assert.strictEqual((await client.get("ali-oss")).content.toString(), "pasted");
}

const cases = {
  async "PutObject, GetObject, HeadObject, DeleteObject"({ client }) {
    const data = crypto.randomBytes(300000);
    await client.put("basic", data, { meta: { owner: "me" }, mime: "text/plain" });
    const head = await client.head("basic");
    assert.strictEqual(head.meta.owner, "me");
    assert.strictEqual(head.res.headers["content-length"], "300000");
    assert.strictEqual(head.res.headers["content-type"], "text/plain");
    assert((await client.get("basic")).content.equals(data));
    const range = await client.get("basic", { headers: { Range: "bytes=10-19" } });
    assert(range.content.equals(data.subarray(10, 20)));
    await client.delete("basic");
    await expect("NoSuchKey", () => client.get("basic"));
    await expect("NoSuchKey", () => client.head("basic"));
  },

  async "virtual host"(world) {
    const client = world.open({ sldEnable: false });
    await client.put("virtual/键", Buffer.from("host"));
    assert.strictEqual((await world.client.get("virtual/键")).content.toString(), "host");
  },

  async "odd keys"(world) {
    for (const client of [world.client, world.open({ sldEnable: false })]) {
      for (const key of ODD_KEYS) {
        await client.put(key, Buffer.from(key));
        assert.strictEqual((await client.get(key)).content.toString(), key, key);
      }
      await client.deleteMulti(ODD_KEYS, { quiet: true });
      for (const key of ODD_KEYS) await expect("NoSuchKey", () => client.head(key));
    }
  },

  async "multipart by hand"({ client, bucket }) {
    const key = "multi/手 part+%.bin", data = crypto.randomBytes(250000);
    const source = file(data);
    const { uploadId } = await client.initMultipartUpload(key);
    const parts = [];
    for (const [number, start] of [[1, 0], [2, 102400], [3, 204800]]) {
      const end = Math.min(start + 102400, data.length);
      parts.push({ number, etag: (await client.uploadPart(key, uploadId, number, source.name, start, end)).etag });
    }
    source.remove();
    const listed = await client.listParts(key, uploadId, { "max-parts": 2 });
    assert.deepStrictEqual(listed.parts.map(part => part.PartNumber), ["1", "2"]);
    assert.strictEqual(listed.isTruncated, "true");
    const uploads = await client.listUploads({ "max-uploads": 10 });
    assert.deepStrictEqual(uploads.uploads.map(upload => upload.uploadId), [uploadId]);
    await expect("InvalidPart", () =>
      client.completeMultipartUpload(key, uploadId, [{ number: 1, etag: `"${"0".repeat(32)}"` }]));
    await client.completeMultipartUpload(key, uploadId, parts);
    assert((await client.get(key)).content.equals(data));
    await expect("NoSuchUpload", () => client.abortMultipartUpload(key, uploadId));
    assert(bucket);
  },

  async "abort"({ client }) {
    const { uploadId } = await client.initMultipartUpload("gone");
    await client.abortMultipartUpload("gone", uploadId);
    await expect("NoSuchUpload", () => client.listParts("gone", uploadId));
  },

  async "resumable upload, interrupted and resumed"({ client }) {
    const data = crypto.randomBytes(5 * 200 * KIB + 17);
    const source = file(data);
    let checkpoint;
    const options = { partSize: 200 * KIB, parallel: 1, progress: async (_, saved) => { checkpoint = saved; } };
    await fault({ operation: "UploadPart", part: 4, times: 1, do: "refuse", status: 403, code: "AccessDenied" });
    await assert.rejects(() => client.multipartUpload("resumed", source.name, options));
    const done = checkpoint.doneParts.map(part => part.number);
    assert(done.length >= 2 && !done.includes(4), `${done}`);
    await admin("DELETE", "/journal");
    await client.multipartUpload("resumed", source.name, { ...options, checkpoint });
    source.remove();
    const again = (await journal("UploadPart")).map(entry => entry.part_number);
    assert(again.includes(4) && !again.some(number => done.includes(number)), `${again}`);
    assert((await client.get("resumed")).content.equals(data));
  },

  async "small part refused at Complete"({ client }) {
    const source = file(Buffer.from("x"));
    const { uploadId } = await client.initMultipartUpload("small");
    const parts = [];
    for (const number of [1, 2])
      parts.push({ number, etag: (await client.uploadPart("small", uploadId, number, source.name, 0, 1)).etag });
    source.remove();
    await expect("EntityTooSmall", () => client.completeMultipartUpload("small", uploadId, parts));
  },

  async "PutObject, byte flipped on the way in"({ client }) {
    await fault({ operation: "PutObject", times: 1, do: "corrupt", offset: 3 });
    // It sends Content-MD5 for what is in memory.
    await expect("InvalidDigest", () => client.put("flip", Buffer.from("0123456789")));
  },

  async "UploadPart, byte flipped on the way in"({ client }) {
    const data = crypto.randomBytes(300 * KIB);
    const source = file(data);
    await fault({ operation: "UploadPart", part: 2, times: 1, do: "corrupt", offset: 3 });
    await client.multipartUpload("flip", source.name, { partSize: 200 * KIB, parallel: 1 });
    source.remove();
    data[200 * KIB + 3] ^= 1;
    assert((await client.get("flip")).content.equals(data), "the object is not the one that was damaged");
    return "unnoticed [5]";
  },

  async "GetObject, byte flipped on the way out"({ client }) {
    await client.put("flip", Buffer.from("0123456789"));
    await fault({ operation: "GetObject", times: 1, do: "corrupt_answer", offset: 3 });
    assert.strictEqual((await client.get("flip")).content.toString(), "0122456789");
    return "unnoticed [5]";
  },

  async "PutObject, lost answer"(world) {
    const client = world.open({ retryMax: 2 });
    await fault({ operation: "PutObject", times: 1, do: "lose_answer" });
    await client.put("lost", Buffer.from("kept"));
    assert.deepStrictEqual((await journal("PutObject")).map(entry => entry.fate), ["answer_lost", "answered"]);
  },

  async "UploadPart, lost answer"(world) {
    const client = world.open({ retryMax: 2 });
    const data = crypto.randomBytes(300 * KIB);
    const source = file(data);
    await fault({ operation: "UploadPart", part: 2, times: 1, do: "lose_answer" });
    const options = { partSize: 200 * KIB, parallel: 1 };
    const again = await client.multipartUpload("lost", source.name, options).then(() => true, () => false);
    const fates = (await journal("UploadPart")).filter(entry => entry.part_number === 2).map(entry => entry.fate);
    source.remove();
    if (!again) {
      assert.deepStrictEqual(fates, ["answer_lost"]);
      return "an error [1]";
    }
    assert.deepStrictEqual(fates, ["answer_lost", "answered"]);
    assert((await client.get("lost")).content.equals(data));
  },

  async "CompleteMultipartUpload, lost answer"(world) {
    const client = world.open({ retryMax: 2 });
    const data = crypto.randomBytes(300 * KIB);
    const source = file(data);
    await fault({ operation: "CompleteMultipartUpload", times: 1, do: "lose_answer" });
    // It asks again, and does not look whether the object is there.
    await expect("NoSuchUpload", () => client.multipartUpload("lost", source.name, { partSize: 200 * KIB }));
    source.remove();
    assert((await client.get("lost")).content.equals(data));
    return "NoSuchUpload [2]";
  },

  async "STS token"(world) {
    const key = await admin("POST", "/sts", { lifetime_seconds: 900 });
    const open = stsToken =>
      world.open({ accessKeyId: key.access_key_id, accessKeySecret: key.access_key_secret, stsToken });
    const client = open(key.security_token);
    await client.put("sts", Buffer.from("token"));
    assert.strictEqual((await client.get("sts")).content.toString(), "token");
    await expect("InvalidSecurityToken", () => open("wrong").get("sts"));
    await expect("InvalidAccessKeyId", () => open(undefined).get("sts"));
    const url = world.version === "v4"
      ? await open(key.security_token).signatureUrlV4("GET", 60, undefined, "sts")
      : open(key.security_token).signatureUrl("sts", { expires: 60 });
    const answer = await call(url, "GET", "");
    assert.strictEqual(answer.text, "token");
    await move(1000);
    try {
      await expect("SecurityTokenExpired", async () => {
        // Signed at the emulator's time, or the clock would be refused first.
        const real = Date.now;
        Date.now = () => real() + 1000 * 1000;
        const RealDate = Date;
        global.Date = class extends RealDate { constructor(...all) { super(...(all.length ? all : [Date.now()])); } };
        global.Date.now = () => real.call(RealDate) + 1000 * 1000;
        try { await client.get("sts"); } finally { global.Date = RealDate; RealDate.now = real; }
      });
    } finally {
      await move(-1000);
    }
  },

  async "wrong secret, unknown key, wrong clock"(world) {
    await expect("SignatureDoesNotMatch", () => world.open({ accessKeySecret: "wrong" }).get("k"));
    await expect("InvalidAccessKeyId", () => world.open({ accessKeyId: "nobody" }).get("k"));
    await expect("NoSuchBucket", () => world.open({ bucket: "no-such-bucket" }).get("k"));
    await move(3600);
    try {
      await expect("RequestTimeTooSkewed", () => world.client.get("k"));
    } finally {
      await move(-3600);
    }
  },

  async "wrong region"(world) {
    if (world.version === "v1") return "–";
    await expect("InvalidArgument", () => world.open({ region: "oss-cn-beijing" }).get("k"));
  },

  async "presigned URL"({ client, version }) {
    const sign = (method, key, headers) => version === "v4"
      ? client.signatureUrlV4(method, 60, { headers }, key)
      : client.signatureUrl(key, { method, expires: 60, ...headers });
    for (const key of ["presigned", "dir/中 文+%.txt"]) {
      const headers = { "Content-Type": "text/plain" };
      const put = await call(await sign("PUT", key, headers), "PUT", "", "signed", headers);
      assert.strictEqual(put.status, 200, put.text);
      const url = await sign("GET", key, {});
      assert.strictEqual((await call(url, "GET", "")).text, "signed");
      await move(3600);
      try {
        assert((await call(url, "GET", "")).text.includes("Request has expired"));
      } finally {
        await move(-3600);
      }
    }
  },

  async "ListObjects v1 and v2"({ client }) {
    const keys = ["list/0", "list/1", "list/2", "list/sub/x", "list/sub/y"];
    for (const key of keys) await client.put(key, Buffer.from("x"));
    const one = await client.list({ prefix: "list/", "max-keys": 4 });
    assert.deepStrictEqual(one.objects.map(object => object.name), keys.slice(0, 4));
    const rest = await client.list({ prefix: "list/", marker: one.nextMarker });
    assert.deepStrictEqual(rest.objects.map(object => object.name), keys.slice(4));
    const two = await client.listV2({ prefix: "list/", "max-keys": 2 });
    const more = await client.listV2({ prefix: "list/", "continuation-token": two.nextContinuationToken });
    assert.deepStrictEqual([...two.objects, ...more.objects].map(object => object.name), keys);
    const folded = await client.listV2({ prefix: "list/", delimiter: "/" });
    assert.deepStrictEqual(folded.prefixes, ["list/sub/"]);
  },

  async "CopyObject, UploadPartCopy"({ client, bucket }) {
    const data = crypto.randomBytes(210000);
    await client.put("源/from", data);
    await client.copy("copied", "源/from");
    assert((await client.get("copied")).content.equals(data));
    await client.multipartUploadCopy("joined", { sourceKey: "源/from", sourceBucketName: bucket }, { partSize: 105000 });
    assert((await client.get("joined")).content.equals(data));
  },

  async "AppendObject"({ client }) {
    await client.delete("log");
    const first = await client.append("log", Buffer.from("one "));
    await client.append("log", Buffer.from("two"), { position: first.nextAppendPosition });
    assert.strictEqual((await client.get("log")).content.toString(), "one two");
    await expect("PositionNotEqualToLength", () => client.append("log", Buffer.from("x"), { position: 3 }));
  },

  async "conditions, forbid-overwrite"({ client }) {
    await client.put("cond", Buffer.from("x"));
    const etag = (await client.head("cond")).res.headers.etag;
    await expect("PreconditionFailed", () => client.get("cond", { headers: { "If-Match": '"0"' } }));
    assert.strictEqual((await client.head("cond", { headers: { "If-None-Match": etag } })).status, 304);
    await expect("FileAlreadyExists", () =>
      client.put("cond", Buffer.from("y"), { headers: { "x-oss-forbid-overwrite": "true" } }));
  },

  async "object tags and ACL"({ client, bucket }) {
    await client.put("tagged", Buffer.from("x"), { headers: { "x-oss-tagging": "a=1&b=%E4%B8%AD" } });
    assert.deepStrictEqual((await client.getObjectTagging("tagged")).tag, { a: "1", b: "中" });
    await client.putObjectTagging("tagged", { b: "c +" });
    assert.deepStrictEqual((await client.getObjectTagging("tagged")).tag, { b: "c +" });
    await client.deleteObjectTagging("tagged");
    assert.deepStrictEqual((await client.getObjectTagging("tagged")).tag, {});
    await client.putACL("tagged", "public-read");
    assert.strictEqual((await client.getACL("tagged")).acl, "public-read");
    assert.strictEqual((await call(`${ENDPOINT}/${bucket}/tagged`, "GET", "")).text, "x");
  },

  async "callback"({ client }) {
    let status = 200;
    const bodies = [];
    const application = http.createServer((request, answer) => {
      let body = "";
      request.on("data", piece => { body += piece; });
      request.on("end", () => {
        bodies.push(body);
        answer.writeHead(status, { "Content-Length": 15 });
        answer.end('{"Status":"OK"}');
      });
    });
    await new Promise(done => application.listen(0, "127.0.0.1", done));
    try {
      const callback = { url: `http://127.0.0.1:${application.address().port}/`, customValue: { mine: "a b&c" },
        body: "object=${object}&size=${size}&mine=${x:mine}" };
      const put = await client.put("called", Buffer.from("12345"), { callback });
      assert.deepStrictEqual(put.data, { Status: "OK" });
      assert.strictEqual(bodies[0], "object=called&size=5&mine=a%20b%26c");
      const source = file(crypto.randomBytes(300 * KIB));
      const done = await client.multipartUpload("called", source.name, { partSize: 200 * KIB, callback });
      assert.deepStrictEqual(done.data, { Status: "OK" });
      assert.strictEqual(bodies[1], `object=called&size=${300 * KIB}&mine=a%20b%26c`);
      status = 500;
      await expect("CallbackFailed", () =>
        client.multipartUpload("failed", source.name, { partSize: 200 * KIB, callback }));
      source.remove();
      assert.strictEqual((await client.head("failed")).status, 200);
    } finally {
      application.close();
    }
  },

  async "bucket: create, info, location, ACL, stat, delete"(world) {
    const name = `${world.bucket}-extra`;
    await world.client.putBucket(name, { storageClass: "IA" });
    const { bucket } = await world.client.getBucketInfo(name);
    assert.strictEqual(bucket.Name, name);
    assert.strictEqual(bucket.StorageClass, "IA");
    assert.strictEqual((await world.client.getBucketLocation(name)).location, `oss-${process.env.EMULATOR_REGION}`);
    await world.client.putBucketACL(name, "public-read");
    assert.strictEqual((await world.client.getBucketACL(name)).acl, "public-read");
    assert.strictEqual((await world.client.getBucketStat(name)).stat.ObjectCount, "0");
    const listed = await world.client.listBuckets({ prefix: world.bucket });
    assert(listed.buckets.some(found => found.name === name));
    await world.client.deleteBucket(name);
    await expect("NoSuchBucket", () => world.client.getBucketInfo(name));
    await expect("NotImplemented", () => world.client.getBucketLifecycle(world.bucket));
  },

  "the lines that `ossup emulator` prints": () => paste(process.env.EMULATOR_LINES, "http:"),

  "https, as `ossup emulator --https` prints it": () => paste(process.env.EMULATOR_LINES_HTTPS, "https:"),
};

(async () => {
  for (const version of ["v1", "v4"]) {
    const world = new World(version);
    await world.client.putBucket(world.bucket);
    for (const [name, run] of Object.entries(cases)) {
      await admin("DELETE", "/faults");
      await admin("DELETE", "/journal");
      try {
        const cell = await run(world);
        console.log(`ok\tali-oss ${version}\t${name}\t${cell || "ok"}`);
      } catch (error) {
        console.log(`FAIL\tali-oss ${version}\t${name}\t${String(error.message).replace(/\s+/g, " ").slice(0, 300)}`);
        console.error(error);
      }
    }
  }
})();
