"""Uploads a file with the classic Python SDK: URL FILE PART-SIZE PARALLEL CHECKPOINTS crc|none."""

import os
import sys

import oss2

url, file, part_size, parallel, checkpoints, integrity = sys.argv[1:]
auth = oss2.AuthV4(os.environ["OSS_ACCESS_KEY_ID"], os.environ["OSS_ACCESS_KEY_SECRET"])
bucket = oss2.Bucket(auth, url, "bench", region="cn-hangzhou", is_path_style=True, enable_crc=integrity == "crc")
oss2.resumable_upload(
    bucket, "object", file, store=oss2.ResumableStore(root=checkpoints), part_size=int(part_size),
    multipart_threshold=int(part_size), num_threads=int(parallel))
