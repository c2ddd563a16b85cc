//! The head of an HTTP/1.1 message: as much of it as a server that drains, and a client that only sends, must know.

use std::io::{self, Read};

/// The longest head that is read, in bytes.
const MAX: usize = 64 * 1024;

/// A head, with what was read behind it.
#[derive(Debug)]
pub struct Head {
    text: String,
    rest: Vec<u8>,
}

impl Head {
    /// Reads the next head; none if the other side has closed the connection.
    ///
    /// # Errors
    /// The connection breaks within the head, or the head is too long. `rest` is what was read before.
    pub fn read(from: &mut impl Read, rest: Vec<u8>) -> io::Result<Option<Self>> {
        let mut read = rest;
        loop {
            if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let rest = read.split_off(end + 4);
                return Ok(Some(Self { text: String::from_utf8_lossy(&read).into_owned(), rest }));
            }
            if read.len() > MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too long"));
            }
            let mut piece = [0; 4096];
            match from.read(&mut piece)? {
                0 if read.is_empty() => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => read.extend_from_slice(piece.get(..n).unwrap_or_default()),
            }
        }
    }

    /// The first line.
    #[must_use]
    pub fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The value of a header.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// How long the body is. Bodies in chunks are not understood.
    #[must_use]
    pub fn content_length(&self) -> u64 {
        self.value("content-length").and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// What was read of that which follows the head.
    #[must_use]
    pub fn into_rest(self) -> Vec<u8> {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_follow_each_other_on_one_connection() {
        let mut wire = &b"PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n"[..];
        let head = Head::read(&mut wire, Vec::new()).unwrap().unwrap();
        assert_eq!((head.first_line(), head.content_length()), ("PUT /a HTTP/1.1", 3));
        let mut rest = head.into_rest();
        rest.drain(..3);
        let head = Head::read(&mut wire, rest).unwrap().unwrap();
        assert_eq!((head.first_line(), head.value("content-length")), ("GET /b HTTP/1.1", None));
        assert!(Head::read(&mut wire, head.into_rest()).unwrap().is_none());
        assert!(Head::read(&mut &b"GET"[..], Vec::new()).is_err());
    }
}
