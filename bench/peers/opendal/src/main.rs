//! Uploads a file with OpenDAL: URL FILE PART-SIZE PARALLEL. It computes no check values.

use opendal::{Operator, services::Oss};
use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, file, part_size, parallel] = arguments.as_slice() else { return Err("four arguments".into()) };
    let part_size: usize = part_size.parse()?;
    let service = Oss::default()
        .root("/")
        .bucket("bench")
        .endpoint(url)
        .addressing_style("path")
        .access_key_id(&std::env::var("OSS_ACCESS_KEY_ID")?)
        .access_key_secret(&std::env::var("OSS_ACCESS_KEY_SECRET")?);
    let operator = Operator::new(service)?.finish();
    let mut writer = operator.writer_with("object").chunk(part_size).concurrent(parallel.parse()?).await?;
    let mut file = tokio::fs::File::open(file).await?;
    loop {
        let mut part = Vec::with_capacity(part_size);
        (&mut file).take(part_size as u64).read_to_end(&mut part).await?;
        if part.is_empty() {
            writer.close().await?;
            return Ok(());
        }
        writer.write(part).await?;
    }
}
