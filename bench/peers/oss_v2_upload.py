"""Uploads a file with the Python SDK V2: URL FILE PART-SIZE PARALLEL CHECKPOINTS crc|none."""

import sys

import alibabacloud_oss_v2 as oss

url, file, part_size, parallel, checkpoints, integrity = sys.argv[1:]
config = oss.config.load_default()
config.credentials_provider = oss.credentials.EnvironmentVariableCredentialsProvider()
config.region = "cn-hangzhou"
config.endpoint = url
config.use_path_style = True
config.disable_upload_crc64_check = integrity != "crc"
oss.Client(config).uploader(
    part_size=int(part_size), parallel_num=int(parallel), enable_checkpoint=True, checkpoint_dir=checkpoints,
).upload_file(oss.PutObjectRequest(bucket="bench", key="object"), file)
