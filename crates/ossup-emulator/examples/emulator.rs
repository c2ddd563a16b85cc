//! An emulator for clients in other processes: prints where it listens, as one line of JSON, and runs until killed.
//!
//! Arguments: `[--listen ADDRESS] [--admin ADDRESS] [--data DIR] [--bucket NAME]… [--checks off] [--integrity none]`

use std::net::SocketAddr;

use ossup_core::digest::Integrity;
use ossup_emulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, DEFAULT_REGION, Emulator};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Emulator::builder();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        builder = match name.as_str() {
            "--listen" => builder.listen(value.parse::<SocketAddr>()?),
            "--admin" => builder.admin(value.parse::<SocketAddr>()?),
            "--data" => builder.data(value),
            "--bucket" => builder.bucket(value),
            "--checks" if value == "off" => builder.without_signature_checks(),
            "--integrity" if value == "none" => builder.integrity(Integrity::None),
            _ => return Err(format!("what is {name}?").into()),
        };
    }
    let emulator = builder.start()?;
    println!(
        "{}",
        serde_json::json!({
            "endpoint": emulator.endpoint(),
            "admin": emulator.admin_endpoint(),
            "region": DEFAULT_REGION,
            "access_key_id": ACCESS_KEY_ID,
            "access_key_secret": ACCESS_KEY_SECRET,
        })
    );
    emulator.wait();
    Ok(())
}
