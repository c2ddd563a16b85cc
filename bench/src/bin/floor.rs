//! The least work there can be: reads a file, digests it once, writes it to sockets, each thread by itself.
//!
//! `floor ADDRESS FILE PART-SIZE THREADS md5-crc|crc|none [one-pass|two-passes|one-buffer]`. In one pass, which is the floor,
//! nobody knows the digest of a part before the end of it: it could only be compared with the ETag of the answer. The other
//! ways know it before the first byte goes: they read each part twice, or keep it in memory.

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

const USAGE: &str = "floor ADDRESS FILE PART-SIZE THREADS md5-crc|crc|none [one-pass|two-passes|one-buffer]";

/// When a part is digested.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As it goes out.
    OnePass,
    /// Before, and then it is read again.
    TwoPasses,
    /// Before, as it is read into memory, from where it goes out.
    OneBuffer,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (&[address, file, part_size, threads, integrity], way) = (match arguments.as_slice() {
        [first @ .., "two-passes"] => (first, Way::TwoPasses),
        [first @ .., "one-buffer"] => (first, Way::OneBuffer),
        [first @ .., "one-pass"] | first => (first, Way::OnePass),
    }) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let (Ok(part_size), Ok(threads)) = (part_size.parse(), threads.parse::<u64>()) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match upload(address, file, part_size, threads, integrity, way) {
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

fn upload(
    address: &str,
    file: &str,
    part_size: u64,
    threads: u64,
    integrity: &str,
    way: Way,
) -> io::Result<u64> {
    let len = std::fs::metadata(file)?.len();
    let next = AtomicU64::new(0);
    let work = || -> io::Result<u64> {
        let mut file = File::open(file)?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let kept =
            if way == Way::OneBuffer { usize::try_from(part_size).unwrap_or(usize::MAX) } else { PIECE };
        let (mut buffer, mut rest, mut all) = (vec![0; kept], Vec::new(), 0);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let begin = number * part_size;
            if begin >= len {
                return Ok(all);
            }
            let len = part_size.min(len - begin);
            file.seek(SeekFrom::Start(begin))?;
            let mut digest = Digest::new(integrity);
            if way != Way::OnePass {
                read(&mut file, len, &mut buffer, way, |bytes| {
                    digest.update(bytes);
                    Ok(())
                })?;
            }
            write!(
                stream,
                "PUT /floor?partNumber={}&uploadId=D0 HTTP/1.1\r\nHost: floor\r\nContent-Length: {len}\r\n\r\n",
                number + 1,
            )?;
            match way {
                Way::OnePass => read(&mut file, len, &mut buffer, way, |bytes| {
                    digest.update(bytes);
                    stream.write_all(bytes)
                })?,
                Way::TwoPasses => {
                    file.seek(SeekFrom::Start(begin))?;
                    read(&mut file, len, &mut buffer, way, |bytes| stream.write_all(bytes))?;
                }
                Way::OneBuffer => stream.write_all(buffer.get(..len as usize).unwrap_or_default())?,
            }
            all ^= digest.finish();
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

/// Reads so many bytes, piece by piece: into the same place each time, or one behind the other.
fn read(
    file: &mut File,
    len: u64,
    buffer: &mut [u8],
    way: Way,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut done = 0;
    while done < len {
        let at = if way == Way::OneBuffer { done as usize } else { 0 };
        let most = usize::try_from(len - done).map_or(PIECE, |left| left.min(PIECE));
        let piece = buffer.get_mut(at..at + most).unwrap_or_default();
        let read = file.read(piece)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        each(piece.get(..read).unwrap_or_default())?;
        done += read as u64;
    }
    Ok(())
}

/// The check values of a part.
struct Digest {
    md5: Option<Md5>,
    crc: Option<crc_fast::Digest>,
}

impl Digest {
    fn new(integrity: &str) -> Self {
        Self {
            md5: (integrity == "md5-crc").then(Md5::new),
            crc: (integrity != "none").then(|| crc_fast::Digest::new(Crc64Xz)),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(crc) = &mut self.crc {
            crc.update(bytes);
        }
    }

    /// Something that is made of them.
    fn finish(self) -> u64 {
        let fold = |md5: Md5| md5.finalize().iter().fold(0, |all, byte| all << 4 ^ u64::from(*byte));
        self.md5.map_or(0, fold) ^ self.crc.map_or(0, |crc| crc.finalize())
    }
}
