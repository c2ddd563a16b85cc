//! A server that speaks as much of OSS as an upload needs, and throws the bytes away: `drain ADDRESS`.
//!
//! It costs next to nothing, so what is measured is the client. On Linux the kernel drops the bytes without copying them.
//! It verifies nothing: the ETag of a part is the `Content-MD5` that came with it. For measuring, and for nothing else.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use ossup_bench::head::Head;

/// How much is taken from a socket at once, in bytes.
const PIECE: usize = 4 << 20;

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    match TcpListener::bind(&address).and_then(|listener| serve(&listener)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(listener: &TcpListener) -> io::Result<()> {
    println!("listening on http://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        // A client that goes away is no concern of ours.
        std::thread::spawn(move || drop(converse(stream)));
    }
    Ok(())
}

fn converse(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut sink = vec![0; PIECE];
    let mut rest = Vec::new();
    while let Some(head) = Head::read(&mut stream, rest)? {
        let len = head.content_length();
        if head.value("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let answer = answer(&head);
        rest = head.into_rest();
        let here = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
        rest.drain(..here);
        discard(&mut stream, len - here as u64, &mut sink)?;
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// Takes in so many bytes.
fn discard(stream: &mut TcpStream, len: u64, sink: &mut [u8]) -> io::Result<()> {
    let mut left = len;
    while left > 0 {
        let most = usize::try_from(left).map_or(sink.len(), |left| left.min(sink.len()));
        match take(stream, sink.get_mut(..most).unwrap_or_default())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            taken => left -= taken as u64,
        }
    }
    Ok(())
}

/// Takes in what there is, up to the length of `sink`.
#[cfg(target_os = "linux")]
fn take(stream: &mut TcpStream, sink: &mut [u8]) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};

    // To a TCP socket, this flag says: drop them.
    Ok(rustix::io::retry_on_intr(|| recv(&*stream, &mut *sink, RecvFlags::TRUNC))?.1)
}

#[cfg(not(target_os = "linux"))]
fn take(stream: &mut TcpStream, sink: &mut [u8]) -> io::Result<usize> {
    io::Read::read(stream, sink)
}

/// What OSS would say to the request.
fn answer(head: &Head) -> String {
    let line = head.first_line();
    let target = line.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let asks = |name: &str| {
        query.split('&').any(|pair| pair.split_once('=').map_or(pair, |(found, _)| found) == name)
    };
    let path = target.split('?').next().unwrap_or_default();
    let key = path.rsplit('/').next().unwrap_or_default();
    let body = if line.starts_with("POST ") && asks("uploads") {
        format!(
            "<InitiateMultipartUploadResult><Bucket>bench</Bucket><Key>{key}</Key><UploadId>D0</UploadId>\
             </InitiateMultipartUploadResult>"
        )
    } else if line.starts_with("POST ") {
        format!(
            "<CompleteMultipartUploadResult><Bucket>bench</Bucket><Key>{key}</Key><ETag>\"D0-1\"</ETag>\
             </CompleteMultipartUploadResult>"
        )
    } else if line.starts_with("GET ") && asks("uploads") {
        "<ListMultipartUploadsResult><Bucket>bench</Bucket><IsTruncated>false</IsTruncated>\
         </ListMultipartUploadsResult>"
            .into()
    } else if line.starts_with("GET ") && asks("uploadId") {
        "<ListPartsResult><UploadId>D0</UploadId><NextPartNumberMarker>0</NextPartNumberMarker>\
         <IsTruncated>false</IsTruncated></ListPartsResult>"
            .into()
    } else {
        String::new()
    };
    let etag = head.value("content-md5").and_then(hex).unwrap_or_else(|| "D0".into());
    format!(
        "HTTP/1.1 200 OK\r\nServer: AliyunOSS\r\nx-oss-request-id: D0\r\nETag: \"{etag}\"\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What Base64 spells, in hexadecimal digits.
fn hex(base64: &str) -> Option<String> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut text) = (0_u32, 0, String::new());
    for letter in base64.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|digit| *digit == letter)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            text.extend(char::from_digit(bits >> (count + 4) & 0xF, 16));
            text.extend(char::from_digit(bits >> count & 0xF, 16));
        }
    }
    Some(text.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_of_a_part_is_its_content_md5() {
        assert_eq!(hex("XUFAKrxLKna5cZ2REBfFkg==").as_deref(), Some("5D41402ABC4B2A76B9719D911017C592"));
        assert_eq!(hex("?"), None);
    }
}
