"""The classic Python SDK against the emulator."""

import base64
import json
import os
import tempfile
import urllib.parse

import oss2
import requests
from Crypto.Hash import MD5
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15
from harness import (ENDPOINT, KEY_ID, ODD_KEYS, REGION, SECRET, VIRTUAL, Application, Clock, admin, callback, case,
                     content, expect, fault, journal, pasted, run, sts)

MIB = 1024 * 1024
AUTHS = {"v1": oss2.Auth, "v4": oss2.AuthV4}


class World:
    def __init__(self, version):
        self.version = version
        self.name = f"oss2-{version}"
        self.auth = AUTHS[version](KEY_ID, SECRET)
        self.bucket = self.open(self.auth)
        self.bucket.create_bucket()

    def open(self, auth, endpoint=ENDPOINT, **more):
        return oss2.Bucket(auth, endpoint, self.name, region=REGION, is_path_style=endpoint == ENDPOINT, **more)


@case("PutObject, GetObject, HeadObject, DeleteObject")
def basics(world):
    data = content(300_000)
    put = world.bucket.put_object("basic", data, headers={"x-oss-meta-owner": "me", "Content-Type": "text/plain"})
    head = world.bucket.head_object("basic")
    assert head.etag == put.etag and head.content_length == len(data)
    assert head.headers["x-oss-meta-owner"] == "me" and head.content_type == "text/plain"
    assert world.bucket.get_object("basic").read() == data
    assert world.bucket.get_object("basic", byte_range=(10, 19)).read() == data[10:20]
    assert world.bucket.get_object_meta("basic").content_length == len(data)
    world.bucket.delete_object("basic")
    assert not world.bucket.object_exists("basic")
    expect(oss2.exceptions.NoSuchKey, "NoSuchKey", lambda: world.bucket.get_object("basic"))


@case("virtual host")
def virtual(world):
    bucket = world.open(world.auth, VIRTUAL)
    bucket.put_object("virtual/键", b"host")
    assert world.bucket.get_object("virtual/键").read() == b"host"


@case("odd keys")
def odd_keys(world):
    for bucket in (world.bucket, world.open(world.auth, VIRTUAL)):
        for key in ODD_KEYS:
            bucket.put_object(key, key.encode())
            assert bucket.get_object(key).read() == key.encode(), key
        listed = [found.key for found in oss2.ObjectIterator(bucket)]
        assert set(ODD_KEYS) <= set(listed), set(ODD_KEYS) - set(listed)
        bucket.batch_delete_objects(ODD_KEYS)
        assert not set(ODD_KEYS) & {found.key for found in oss2.ObjectIterator(bucket)}


@case("multipart by hand")
def multipart(world):
    key, data = "multi/手 part+%.bin", content(250_000)
    upload = world.bucket.init_multipart_upload(key, headers={"x-oss-meta-a": "1"})
    pieces = [data[:102_400], data[102_400:204_800], data[204_800:]]
    parts = []
    for number, piece in enumerate(pieces, 1):
        result = world.bucket.upload_part(key, upload.upload_id, number, piece)
        parts.append(oss2.models.PartInfo(number, result.etag, size=len(piece), part_crc=result.crc))
    listed = list(oss2.PartIterator(world.bucket, key, upload.upload_id, max_parts=1))
    assert [(p.part_number, p.size, p.etag) for p in listed] == [(p.part_number, p.size, p.etag) for p in parts]
    assert [u.key for u in oss2.MultipartUploadIterator(world.bucket)] == [key]
    wrong = [oss2.models.PartInfo(1, "0" * 32)]
    expect(oss2.exceptions.ServerError, "InvalidPart",
           lambda: world.bucket.complete_multipart_upload(key, upload.upload_id, wrong))
    world.bucket.complete_multipart_upload(key, upload.upload_id, parts)
    assert world.bucket.get_object(key).read() == data
    assert world.bucket.head_object(key).headers["x-oss-meta-a"] == "1"
    expect(oss2.exceptions.NoSuchUpload, "NoSuchUpload",
           lambda: world.bucket.list_parts(key, upload.upload_id))


@case("abort")
def abort(world):
    upload = world.bucket.init_multipart_upload("aborted").upload_id
    world.bucket.upload_part("aborted", upload, 1, b"x")
    world.bucket.abort_multipart_upload("aborted", upload)
    expect(oss2.exceptions.NoSuchUpload, "NoSuchUpload",
           lambda: world.bucket.abort_multipart_upload("aborted", upload))


@case("small part refused at Complete")
def small(world):
    upload = world.bucket.init_multipart_upload("small").upload_id
    parts = [oss2.models.PartInfo(n, world.bucket.upload_part("small", upload, n, b"x").etag) for n in (1, 2)]
    expect(oss2.exceptions.ServerError, "EntityTooSmall",
           lambda: world.bucket.complete_multipart_upload("small", upload, parts))


@case("resumable upload, interrupted and resumed")
def resumable(world):
    data = content(5 * MIB)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "wb") as file:
            file.write(data)
        store = oss2.ResumableStore(root=folder)

        def upload():
            oss2.resumable_upload(world.bucket, "resumed", path, store=store, multipart_threshold=MIB, part_size=MIB,
                                  num_threads=1)

        fault(operation="UploadPart", part=3, times=1, do="refuse", status=500, code="InternalError")
        expect(oss2.exceptions.ServerError, "InternalError", upload)
        done = {e["part_number"] for e in journal("UploadPart") if e["status"] == 200}
        assert {1, 2} <= done and 3 not in done
        admin("DELETE", "/journal")
        upload()
        assert {e["part_number"] for e in journal("UploadPart")} == {1, 2, 3, 4, 5} - done
    assert world.bucket.get_object("resumed").read() == data


@case("resume when no part was stored")
def resume_empty(world):
    data = content(3 * MIB)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "wb") as file:
            file.write(data)
        store = oss2.ResumableStore(root=folder)

        def upload():
            oss2.resumable_upload(world.bucket, "empty", path, store=store, multipart_threshold=MIB, part_size=MIB)

        rule = fault(operation="UploadPart", do="refuse", status=500, code="InternalError")
        expect(oss2.exceptions.ServerError, "InternalError", upload)
        admin("DELETE", f"/faults/{rule}")
        upload()
    assert world.bucket.get_object("empty").read() == data


def notices(call):
    try:
        call()
        raise AssertionError("the client did not notice")
    except oss2.exceptions.InconsistentError:
        pass


@case("PutObject, byte flipped on the way in")
def flipped_put(world):
    fault(operation="PutObject", times=1, do="corrupt", offset=7)
    notices(lambda: world.bucket.put_object("flipped", b"0123456789"))


@case("UploadPart, byte flipped on the way in")
def flipped_part(world):
    upload = world.bucket.init_multipart_upload("flipped").upload_id
    fault(operation="UploadPart", times=1, do="corrupt", offset=7)
    notices(lambda: world.bucket.upload_part("flipped", upload, 1, b"0123456789"))
    fault(operation="UploadPart", times=1, do="corrupt", offset=7)
    md5 = {"Content-MD5": oss2.utils.content_md5(b"0123456789")}
    expect(oss2.exceptions.ServerError, "InvalidDigest",
           lambda: world.bucket.upload_part("flipped", upload, 1, b"0123456789", headers=md5))


@case("GetObject, byte flipped on the way out")
def flipped_out(world):
    world.bucket.put_object("flip", b"0123456789")
    fault(operation="GetObject", times=1, do="corrupt_answer", offset=3)
    with tempfile.TemporaryDirectory() as folder:
        try:
            world.bucket.get_object_to_file("flip", os.path.join(folder, "file"))
            raise AssertionError("the client did not notice")
        except oss2.exceptions.InconsistentError:
            pass
    assert world.bucket.get_object("flip").read() == b"0123456789"


def loses(operation, call):
    fault(operation=operation, times=1, do="lose_answer")
    try:
        call()
        raise AssertionError("the answer was not lost")
    except oss2.exceptions.RequestError:
        pass


# This client leaves it to its caller to try again.
@case("PutObject, lost answer")
def lost_put(world):
    loses("PutObject", lambda: world.bucket.put_object("lost", b"kept"))
    assert world.bucket.get_object("lost").read() == b"kept"
    return "an error [1]"


@case("UploadPart, lost answer")
def lost_part(world):
    upload = world.bucket.init_multipart_upload("lost").upload_id
    loses("UploadPart", lambda: world.bucket.upload_part("lost", upload, 1, b"kept"))
    assert [part.size for part in world.bucket.list_parts("lost", upload).parts] == [4]
    world.bucket.abort_multipart_upload("lost", upload)
    return "an error [1]"


@case("CompleteMultipartUpload, lost answer")
def lost_complete(world):
    upload = world.bucket.init_multipart_upload("lost").upload_id
    part = oss2.models.PartInfo(1, world.bucket.upload_part("lost", upload, 1, b"complete").etag)
    loses("CompleteMultipartUpload", lambda: world.bucket.complete_multipart_upload("lost", upload, [part]))
    assert world.bucket.get_object("lost").read() == b"complete"
    return "an error [1]"


@case("STS token")
def token(world):
    key = sts(900)
    versions = {"v1": oss2.AUTH_VERSION_1, "v4": oss2.AUTH_VERSION_4}
    auth = oss2.StsAuth(key["access_key_id"], key["access_key_secret"], key["security_token"],
                        auth_version=versions[world.version])
    bucket = world.open(auth)
    bucket.put_object("sts", b"token")
    url = bucket.sign_url("GET", "sts", 60, slash_safe=True)
    assert requests.get(url, timeout=10).content == b"token"
    wrong = oss2.StsAuth(key["access_key_id"], key["access_key_secret"], "wrong",
                         auth_version=versions[world.version])
    expect(oss2.exceptions.ServerError, "InvalidSecurityToken", lambda: world.open(wrong).get_object("sts"))
    short = sts(0)
    old = oss2.StsAuth(short["access_key_id"], short["access_key_secret"], short["security_token"],
                       auth_version=versions[world.version])
    with Clock(2):
        expect(oss2.exceptions.ServerError, "SecurityTokenExpired", lambda: world.open(old).get_object("sts"))


@case("wrong secret, unknown key, wrong clock")
def refused(world):
    make = AUTHS[world.version]
    error = oss2.exceptions.ServerError
    expect(error, "SignatureDoesNotMatch", lambda: world.open(make(KEY_ID, "wrong")).get_object("k"))
    expect(error, "InvalidAccessKeyId", lambda: world.open(make("nobody", SECRET)).get_object("k"))
    with Clock(3600):
        expect(error, "RequestTimeTooSkewed", lambda: world.bucket.get_object("k"))
    expect(error, "NoSuchBucket",
           lambda: oss2.Bucket(world.auth, ENDPOINT, "no-such-bucket", region=REGION, is_path_style=True).get_object("k"))


@case("wrong region")
def wrong_region(world):
    if world.version == "v1":
        return "–"
    elsewhere = oss2.Bucket(world.auth, ENDPOINT, world.name, region="cn-beijing", is_path_style=True)
    expect(oss2.exceptions.ServerError, "InvalidArgument", lambda: elsewhere.get_object("k"))


@case("presigned URL")
def presigned(world):
    for key in ("presigned", "dir/中 文+%.txt"):
        url = world.bucket.sign_url("PUT", key, 60, headers={"Content-Type": "text/plain"}, slash_safe=True)
        put = requests.put(url, data=b"signed", headers={"Content-Type": "text/plain"}, timeout=10)
        assert put.status_code == 200, put.text
        url = world.bucket.sign_url("GET", key, 60, slash_safe=True)
        assert requests.get(url, timeout=10).content == b"signed"
        assert "SignatureDoesNotMatch" in requests.get(url.replace("ignature=", "ignature=0"), timeout=10).text
        with Clock(3600):
            expired = requests.get(url, timeout=10)
            assert expired.status_code == 403 and "Request has expired" in expired.text, expired.text


@case("ListObjects v1 and v2")
def listing(world):
    keys = [f"list/{n:03}" for n in range(7)] + ["list/sub/x", "list/sub/y"]
    for key in keys:
        world.bucket.put_object(key, b"x")
    assert [o.key for o in oss2.ObjectIterator(world.bucket, prefix="list/", max_keys=2)] == keys
    assert [o.key for o in oss2.ObjectIteratorV2(world.bucket, prefix="list/", max_keys=2)] == keys
    folded = world.bucket.list_objects(prefix="list/", delimiter="/")
    assert folded.prefix_list == ["list/sub/"] and len(folded.object_list) == 7
    folded = list(oss2.ObjectIteratorV2(world.bucket, prefix="list/", delimiter="/", max_keys=1))
    assert sum(o.is_prefix() for o in folded) == 1 and len(folded) == 8


@case("CopyObject, UploadPartCopy")
def copies(world):
    data = content(210_000)
    world.bucket.put_object("源/from", data, headers={"x-oss-meta-a": "1"})
    world.bucket.copy_object(world.name, "源/from", "copied")
    assert world.bucket.get_object("copied").read() == data
    assert world.bucket.head_object("copied").headers["x-oss-meta-a"] == "1"
    upload = world.bucket.init_multipart_upload("joined").upload_id
    parts = [oss2.models.PartInfo(n, world.bucket.upload_part_copy(
        world.name, "源/from", span, "joined", upload, n).etag) for n, span in ((1, (0, 104_999)), (2, (105_000, None)))]
    world.bucket.complete_multipart_upload("joined", upload, parts)
    assert world.bucket.get_object("joined").read() == data


@case("AppendObject")
def append(world):
    world.bucket.delete_object("log")
    first = world.bucket.append_object("log", 0, b"one ", init_crc=0)
    second = world.bucket.append_object("log", first.next_position, b"two", init_crc=first.crc)
    assert second.next_position == 7 and world.bucket.get_object("log").read() == b"one two"
    expect(oss2.exceptions.PositionNotEqualToLength, "PositionNotEqualToLength",
           lambda: world.bucket.append_object("log", 3, b"x"))


@case("conditions, forbid-overwrite")
def conditions(world):
    etag = world.bucket.put_object("cond", b"x").etag
    expect(oss2.exceptions.PreconditionFailed, "PreconditionFailed",
           lambda: world.bucket.get_object("cond", headers={"If-Match": "0"}))
    try:
        world.bucket.get_object("cond", headers={"If-None-Match": f'"{etag}"'})
        raise AssertionError("not modified was expected")
    except oss2.exceptions.NotModified:
        pass
    expect(oss2.exceptions.ServerError, "FileAlreadyExists",
           lambda: world.bucket.put_object("cond", b"y", headers={"x-oss-forbid-overwrite": "true"}))


@case("bucket: create, info, location, ACL, stat, delete")
def buckets(world):
    bucket = oss2.Bucket(world.auth, ENDPOINT, f"{world.name}-extra", region=REGION, is_path_style=True)
    bucket.create_bucket(oss2.BUCKET_ACL_PRIVATE, oss2.models.BucketCreateConfig(oss2.BUCKET_STORAGE_CLASS_IA))
    info = bucket.get_bucket_info()
    assert info.name == bucket.bucket_name and info.storage_class == "IA" and info.acl.grant == "private"
    assert bucket.get_bucket_location().location == f"oss-{REGION}"
    bucket.put_bucket_acl(oss2.BUCKET_ACL_PUBLIC_READ)
    assert bucket.get_bucket_acl().acl == "public-read"
    bucket.put_object("public", b"all")
    assert requests.get(f"{ENDPOINT}/{bucket.bucket_name}/public", timeout=10).content == b"all"
    assert requests.put(f"{ENDPOINT}/{bucket.bucket_name}/public", b"x", timeout=10).status_code == 403
    assert bucket.get_bucket_stat().object_count == 1
    names = [b.name for b in oss2.BucketIterator(oss2.Service(world.auth, ENDPOINT, region=REGION))]
    assert bucket.bucket_name in names
    expect(oss2.exceptions.ServerError, "BucketNotEmpty", bucket.delete_bucket)
    bucket.delete_object("public")
    bucket.delete_bucket()
    expect(oss2.exceptions.ServerError, "NotImplemented", world.bucket.get_bucket_lifecycle)


@case("object tags and ACL")
def tags(world):
    world.bucket.put_object("tagged", b"x", headers={"x-oss-tagging": "a=1&b=%E4%B8%AD"})
    found = world.bucket.get_object_tagging("tagged").tag_set.tagging_rule
    assert found == {"a": "1", "b": "中"}, found
    rule = oss2.models.TaggingRule()
    rule.add("<b>", "&中")
    world.bucket.put_object_tagging("tagged", oss2.models.Tagging(rule))
    assert world.bucket.get_object_tagging("tagged").tag_set.tagging_rule == {"<b>": "&中"}
    world.bucket.delete_object_tagging("tagged")
    assert not world.bucket.get_object_tagging("tagged").tag_set.tagging_rule
    world.bucket.put_object_acl("tagged", oss2.OBJECT_ACL_PUBLIC_READ)
    assert world.bucket.get_object_acl("tagged").acl == "public-read"


@case("callback")
def callbacks(world):
    template = "bucket=${bucket}&object=${object}&size=${size}&etag=${etag}&mine=${x:mine}"
    with Application() as application:
        variables = base64.b64encode(json.dumps({"x:mine": "a b&c"}).encode()).decode()
        headers = {"x-oss-callback": callback(application.url, template), "x-oss-callback-var": variables}
        put = world.bucket.put_object("dir/called", b"12345", headers=headers)
        assert put.resp.read() == b'{"Status":"OK"}'
        path, sent, body = application.received
        assert body == (f"bucket={world.name}&object=dir%2Fcalled&size=5&etag={put.etag}&mine=a%20b%26c"), body
        # As an application verifies that it was OSS.
        key = requests.get(base64.b64decode(sent["x-oss-pub-key-url"]).decode(), timeout=10).text
        signed = urllib.parse.unquote(path.split("?")[0]) + "?" + path.split("?")[1] + "\n" + body
        pkcs1_15.new(RSA.import_key(key)).verify(MD5.new(signed.encode()), base64.b64decode(sent["Authorization"]))

        upload = world.bucket.init_multipart_upload("called").upload_id
        part = oss2.models.PartInfo(1, world.bucket.upload_part("called", upload, 1, b"x").etag)
        headers = {"x-oss-callback": callback(application.url, '{"o":${object},"s":${size}}', "application/json")}
        done = world.bucket.complete_multipart_upload("called", upload, [part], headers=headers)
        assert done.resp.read() == b'{"Status":"OK"}' and done.etag and done.crc
        assert json.loads(application.received[2]) == {"o": "called", "s": 1}
    for status, body in ((500, b"{}"), (200, b"not json")):
        with Application(status, body) as application:
            headers = {"x-oss-callback": callback(application.url, template)}
            put = world.bucket.put_object("failed", b"kept", headers=headers)
            assert put.status == 203 and b"<Code>CallbackFailed</Code>" in put.resp.read()
    assert world.bucket.get_object("failed").read() == b"kept"
    for url in ("http://192.0.2.1/", "https://127.0.0.1/"):
        put = world.bucket.put_object("failed", b"x", headers={"x-oss-callback": callback(url, template)})
        assert put.status == 203, "no other machine is called"
    expect(oss2.exceptions.ServerError, "InvalidArgument",
           lambda: world.bucket.put_object("failed", b"x", headers={"x-oss-callback": "nonsense"}))


@case("the lines that `ossup emulator` prints")
def lines(_):
    names = {"oss2": oss2}
    exec(pasted("Python, oss2"), names)
    names["bucket"].put_object("oss2", b"pasted")
    assert names["bucket"].get_object("oss2").read() == b"pasted"


@case("https, as `ossup emulator --https` prints it")
def https(_):
    names = {"oss2": oss2}
    exec(pasted("Python, oss2", https=True), names)
    assert names["bucket"].endpoint.startswith("https://"), names["bucket"].endpoint
    names["bucket"].put_object("oss2", b"pasted")
    assert names["bucket"].get_object("oss2").read() == b"pasted"


if __name__ == "__main__":
    for chosen in AUTHS:
        run(f"oss2 {chosen}", World(chosen))
