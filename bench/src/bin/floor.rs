//! The least work there can be: reads a file once, digests it once, writes it to sockets, each thread by itself.
//!
//! `floor ADDRESS FILE PART-SIZE THREADS md5-crc|crc|none`. What it sends is no valid upload, since nobody knows the digest
//! of a part before the end of it. A client that must know it first can be as quick only by being cleverer.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use crc_fast::CrcAlgorithm::Crc64Xz;
use md5::{Digest as _, Md5};
use ossup_bench::head::Head;

/// How much is read, digested and written at once, in bytes: it stays in the cache of a core meanwhile.
const PIECE: usize = 64 * 1024;

const USAGE: &str = "floor ADDRESS FILE PART-SIZE THREADS md5-crc|crc|none";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, file, part_size, threads, integrity] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let (Ok(part_size), Ok(threads)) = (part_size.parse(), threads.parse::<u64>()) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match upload(address, file, part_size, threads, integrity) {
        Ok(digest) => {
            // Printed, so that no compiler can find that it is not needed.
            println!("{digest:016x}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn upload(address: &str, file: &str, part_size: u64, threads: u64, integrity: &str) -> io::Result<u64> {
    let len = std::fs::metadata(file)?.len();
    let next = AtomicU64::new(0);
    let work = || -> io::Result<u64> {
        let mut file = File::open(file)?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let (mut piece, mut rest, mut all) = (vec![0; PIECE], Vec::new(), 0);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let begin = number * part_size;
            if begin >= len {
                return Ok(all);
            }
            let end = len.min(begin + part_size);
            write!(
                stream,
                "PUT /floor?partNumber={}&uploadId=D0 HTTP/1.1\r\nHost: floor\r\nContent-Length: {}\r\n\r\n",
                number + 1,
                end - begin
            )?;
            file.seek(SeekFrom::Start(begin))?;
            all ^= send(&mut file, end - begin, &mut stream, &mut piece, integrity)?;
            let head = Head::read(&mut stream, rest)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            rest = head.into_rest();
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_fold(0, |all, worker| match worker.join() {
            Ok(digest) => Ok(all ^ digest?),
            Err(_) => Err(io::Error::other("a thread has panicked")),
        })
    })
}

/// Sends a part; gives back something that is made of its digests.
fn send(
    file: &mut File,
    len: u64,
    stream: &mut TcpStream,
    piece: &mut [u8],
    integrity: &str,
) -> io::Result<u64> {
    let mut md5 = (integrity == "md5-crc").then(Md5::new);
    let mut crc = (integrity != "none").then(|| crc_fast::Digest::new(Crc64Xz));
    let mut left = len;
    while left > 0 {
        let most = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        let read = file.read(piece.get_mut(..most).unwrap_or_default())?;
        let bytes = piece.get(..read).unwrap_or_default();
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(md5) = &mut md5 {
            md5.update(bytes);
        }
        if let Some(crc) = &mut crc {
            crc.update(bytes);
        }
        stream.write_all(bytes)?;
        left -= read as u64;
    }
    let md5 = md5.map_or(0, |md5| md5.finalize().iter().fold(0, |all, byte| all << 4 ^ u64::from(*byte)));
    Ok(md5 ^ crc.map_or(0, |crc| crc.finalize()))
}
