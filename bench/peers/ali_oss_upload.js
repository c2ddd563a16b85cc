// Uploads a file with the Node SDK: FOLDER-OF-THE-SDK URL FILE PART-SIZE PARALLEL. It computes no check values.
const [sdk, endpoint, file, partSize, parallel] = process.argv.slice(2);
const OSS = require(`${sdk}/node_modules/ali-oss`);

const client = new OSS({
  accessKeyId: process.env.OSS_ACCESS_KEY_ID,
  accessKeySecret: process.env.OSS_ACCESS_KEY_SECRET,
  bucket: "bench",
  region: "oss-cn-hangzhou",
  authorizationV4: true,
  endpoint,
  cname: true, // or else it puts the bucket in front of an IP address
  timeout: "600s",
});
client.multipartUpload("object", file, { partSize: Number(partSize), parallel: Number(parallel) }).catch((error) => {
  console.error(error);
  process.exit(1);
});
