//! The source of an upload: a file that is read by exact ranges, each reader on its own.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::{ContentDigest, Hasher, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::upload::effect::SourceError;

use crate::desk::Desk;

/// A file that is being uploaded.
///
/// Ranges are read at their positions, so any number of readers can be at work without a common cursor or lock.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    file: RwLock<Arc<File>>,
    identity: SourceIdentity,
    desk: Desk,
}

impl FileSource {
    /// Opens the file for reading.
    ///
    /// # Errors
    /// There is no such file, it may not be read, or it is something else: a folder, a pipe, a device, a socket.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let path = path.into();
        match open(&path) {
            Ok((file, identity)) => {
                Ok(Self { path, file: RwLock::new(Arc::new(file)), identity, desk: Desk::default() })
            }
            Err(reason) => Err(reason.at(path)),
        }
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path from the root, links resolved, as text: the same for the same file, by whatever path it was opened. What
    /// is not UTF-8 in it is written as escapes.
    #[must_use]
    pub fn full_path(&self) -> String {
        let full = std::fs::canonicalize(&self.path).or_else(|_| std::path::absolute(&self.path));
        let full = full.as_deref().unwrap_or(&self.path);
        full.to_str()
            .map_or_else(|| full.as_os_str().as_encoded_bytes().escape_ascii().to_string(), str::to_owned)
    }

    /// What identified the file when it was opened.
    #[must_use]
    pub fn identity(&self) -> &SourceIdentity {
        &self.identity
    }

    /// Opens the path anew and says what identifies the file that is there now. Later readers read that file; those
    /// that are at work stay with the one they began with.
    ///
    /// # Errors
    /// There is no file at the path any more, or it cannot be read.
    pub fn inspect(&self) -> Result<SourceIdentity, SourceError> {
        let (file, identity) =
            open(&self.path).map_err(|reason| SourceError::Io(reason.at(self.path.clone()).to_string()))?;
        // A poisoned lock holds a whole `Arc` all the same.
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(file);
        Ok(identity)
    }

    /// A reader of exactly these bytes.
    #[must_use]
    pub fn reader(&self, range: ByteRange) -> RangeReader {
        let file = Arc::clone(&self.file.read().unwrap_or_else(PoisonError::into_inner));
        RangeReader { file, at: range.offset(), end: range.end() }
    }

    /// Reads a range once and computes what `integrity` asks for, in a small buffer whatever the length of the range.
    /// Threads that do so at the same time are served side by side, which takes several MD5 digests no longer than one.
    /// `stop` is asked between pieces, perhaps by another of those threads.
    ///
    /// # Errors
    /// The file ends before the range does or cannot be read, or `stop` said so.
    pub fn digest(
        &self,
        range: ByteRange,
        integrity: Integrity,
        stop: impl Fn() -> bool + Send + 'static,
    ) -> Result<ContentDigest, SourceError> {
        self.desk.digest(self.reader(range), Hasher::new(integrity), Box::new(stop))
    }
}

/// Reads a range of a source: exactly its bytes, or an error.
#[derive(Debug)]
pub struct RangeReader {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl RangeReader {
    /// How many bytes are still to come.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.end - self.at
    }

    /// Reads the next bytes into `buffer` and says how many; none only at the end of the range, or for an empty buffer.
    ///
    /// # Errors
    /// The file ends before the range does, or the system cannot read it.
    pub fn read_piece(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let buffer = self.within(buffer);
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match read_at(&self.file, buffer, self.at) {
                Ok(0) => return Err(SourceError::Shortened { at: self.at }),
                Ok(n) => {
                    self.at += n as u64;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SourceError::Io(format!("at byte {}: {error}", self.at))),
            }
        }
    }

    /// Reads of the next bytes what the system has in memory, and says how many; waits for no disk, so it may be called where
    /// nothing may block. 0 where it has nothing there, cannot tell (anywhere but on Linux, and in some file systems), or
    /// fails: then [`read_piece`](Self::read_piece) knows more.
    pub fn read_cached(&mut self, buffer: &mut [u8]) -> usize {
        let buffer = self.within(buffer);
        let read = if buffer.is_empty() { 0 } else { read_cached_at(&self.file, buffer, self.at) };
        self.at += read as u64;
        read
    }

    /// As much of a buffer as there is left to read.
    fn within<'a>(&self, buffer: &'a mut [u8]) -> &'a mut [u8] {
        let wanted = usize::try_from(self.remaining()).map_or(buffer.len(), |left| left.min(buffer.len()));
        buffer.get_mut(..wanted).unwrap_or_default()
    }
}

/// As [`read_piece`](RangeReader::read_piece); the [`SourceError`] is what the [`io::Error`] holds.
impl Read for RangeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_piece(buffer).map_err(|error| match error {
            SourceError::Shortened { .. } => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            error => io::Error::other(error),
        })
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(target_os = "linux")]
fn read_cached_at(file: &File, buffer: &mut [u8], at: u64) -> usize {
    let mut buffers = [io::IoSliceMut::new(buffer)];
    rustix::io::preadv2(file, &mut buffers, at, rustix::io::ReadWriteFlags::NOWAIT).unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn read_cached_at(_: &File, _: &mut [u8], _: u64) -> usize {
    0
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    // Moves the cursor of the file, which nobody uses.
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

fn open(path: &Path) -> Result<(File, SourceIdentity), Refused> {
    // First by name, since opening some devices does something to them.
    check_kind(&std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A pipe that has taken the file's place meanwhile is then refused below, and not waited for.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    check_kind(&metadata)?;
    Ok((file, identity(&metadata)))
}

fn check_kind(metadata: &Metadata) -> Result<(), Refused> {
    if metadata.is_dir() {
        Err(Refused::Folder)
    } else if metadata.is_file() {
        Ok(())
    } else {
        Err(Refused::Special)
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> SourceIdentity {
    use std::os::unix::fs::MetadataExt as _;

    let nanoseconds =
        |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(rest));
    SourceIdentity {
        len: metadata.len(),
        modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        file_id: Some((metadata.dev(), metadata.ino())),
    }
}

#[cfg(not(unix))]
fn identity(metadata: &Metadata) -> SourceIdentity {
    let modified_ns =
        metadata.modified().ok().and_then(|time| match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).ok(),
            Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|ns| -ns),
        });
    SourceIdentity { modified_ns, ..SourceIdentity::of_len(metadata.len()) }
}

/// Why a path was not opened, before it is said which.
enum Refused {
    Folder,
    Special,
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Refused {
    fn at(self, path: PathBuf) -> OpenError {
        match self {
            Self::Folder => OpenError::Folder { path },
            Self::Special => OpenError::Special { path },
            Self::Io(source) if source.kind() == io::ErrorKind::NotFound => {
                OpenError::Missing { path, source }
            }
            Self::Io(source) => OpenError::Unreadable { path, source },
        }
    }
}

/// Why a path cannot be a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing at the path.
    #[error("there is no file {}", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder. One upload makes one object of one file.
    #[error("{} is a folder; upload its files one by one", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
    },
    /// A pipe, a socket or a device: without a length, or not to be read twice.
    #[error("{} is not a regular file; write its content to a file and upload that", path.display())]
    Special {
        /// The path.
        path: PathBuf,
    },
    /// The system does not let us read it.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ossup_core::digest::{Crc64, Md5};

    use super::*;
    use crate::desk::PIECE;

    fn range(offset: u64, len: u64) -> ByteRange {
        ByteRange::new(offset, len).unwrap()
    }

    fn file_with(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    /// Longer than four pieces, and not a multiple of one.
    fn long_content() -> Vec<u8> {
        (0..4 * PIECE + 777).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn a_reader_gives_exactly_its_range() {
        let content = long_content();
        let (_folder, path) = file_with(&content);
        let source = FileSource::open(path).unwrap();
        for (offset, len) in
            [(0, content.len()), (1, PIECE), (PIECE, PIECE + 777), (5, 0), (content.len(), 0)]
        {
            let mut read = Vec::new();
            source.reader(range(offset as u64, len as u64)).read_to_end(&mut read).unwrap();
            assert!(read == content[offset..offset + len], "{len} bytes from {offset}");
        }
    }

    #[test]
    fn what_is_in_memory_is_read_as_what_is_not() {
        let content = long_content();
        let (_folder, path) = file_with(&content);
        let source = FileSource::open(&path).unwrap();
        for forgotten in [false, true] {
            #[cfg(target_os = "linux")]
            if forgotten {
                let file = File::open(&path).unwrap();
                file.sync_all().unwrap();
                rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
            }
            let len = content.len() as u64 - 10;
            let (mut reader, mut read) = (source.reader(range(5, len)), Vec::new());
            let mut piece = vec![0; PIECE - 1];
            while reader.remaining() > 0 {
                let n = match reader.read_cached(&mut piece) {
                    0 => reader.read_piece(&mut piece).unwrap(),
                    n => n,
                };
                read.extend_from_slice(&piece[..n]);
            }
            assert!(read == content[5..content.len() - 5], "forgotten by the system: {forgotten}");
            assert_eq!(reader.read_cached(&mut piece), 0, "at the end");
        }
        let mut reader = source.reader(range(0, 4));
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert_eq!(reader.read_cached(&mut [0; 4]), 0, "it is for `read_piece` to say what is wrong");
        assert_eq!(reader.read_piece(&mut [0; 4]), Err(SourceError::Shortened { at: 0 }));
    }

    #[test]
    fn readers_do_not_move_each_other() {
        let (_folder, path) = file_with(b"abcdefgh");
        let source = FileSource::open(path).unwrap();
        let (mut first, mut second) = (source.reader(range(0, 4)), source.reader(range(4, 4)));
        let mut read = [0; 2];
        for expected in [b"ab", b"cd"] {
            first.read_exact(&mut read).unwrap();
            assert_eq!(&read, expected);
            second.read_exact(&mut read).unwrap();
            assert_eq!(read, [expected[0] + 4, expected[1] + 4]);
        }
        assert_eq!((first.remaining(), second.remaining()), (0, 0));
    }

    #[test]
    fn the_digest_of_a_range_is_that_of_its_bytes() {
        let content = long_content();
        let (_folder, path) = file_with(&content);
        let source = FileSource::open(path).unwrap();
        let digest = source.digest(range(3, 200_000), Integrity::Md5AndCrc, || false).unwrap();
        let bytes = &content[3..200_003];
        assert_eq!(
            (digest.len, digest.md5, digest.crc64),
            (200_000, Some(Md5::of(bytes)), Some(Crc64::of(bytes)))
        );
        let digest = source.digest(range(0, 0), Integrity::Crc, || false).unwrap();
        assert_eq!((digest.len, digest.md5, digest.crc64), (0, None, Some(Crc64::EMPTY)));
    }

    #[test]
    fn a_file_that_ends_within_the_range_has_become_shorter() {
        let (_folder, path) = file_with(b"0123456789");
        let source = FileSource::open(&path).unwrap();
        assert_eq!(
            source.digest(range(4, 20), Integrity::None, || false),
            Err(SourceError::Shortened { at: 10 })
        );
        let mut reader = source.reader(range(0, 10));
        reader.read_exact(&mut [0; 4]).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(3).unwrap();
        assert_eq!(reader.read_piece(&mut [0; 4]), Err(SourceError::Shortened { at: 4 }));
        let error = reader.read(&mut [0; 4]).unwrap_err();
        let held = error.get_ref().and_then(|held| held.downcast_ref());
        assert_eq!(held, Some(&SourceError::Shortened { at: 4 }));
    }

    #[test]
    fn digesting_ends_when_it_is_asked_to() {
        let (_folder, path) = file_with(&long_content());
        let source = FileSource::open(path).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let stop = {
            let asked = Arc::clone(&asked);
            move || asked.fetch_add(1, Ordering::Relaxed) > 0
        };
        let stopped = source.digest(range(0, 2 * PIECE as u64), Integrity::Crc, stop);
        assert_eq!((stopped, asked.load(Ordering::Relaxed)), (Err(SourceError::Stopped), 2));
    }

    #[test]
    fn inspection_finds_what_is_at_the_path_now_and_later_reads_read_that() {
        let (folder, path) = file_with(b"old");
        let source = FileSource::open(&path).unwrap();
        assert_eq!(source.inspect().as_ref(), Ok(source.identity()));

        let mut before = source.reader(range(0, 3));
        let replacement = folder.path().join("replacement");
        std::fs::write(&replacement, b"new").unwrap();
        std::fs::rename(&replacement, &path).unwrap();
        let mut read = String::new();
        source.reader(range(0, 3)).read_to_string(&mut read).unwrap();
        assert_eq!(read, "old");

        let found = source.inspect().unwrap();
        assert_ne!(&found, source.identity());
        assert_eq!(found.len, 3);
        read.clear();
        source.reader(range(0, 3)).read_to_string(&mut read).unwrap();
        assert_eq!(read, "new");
        read.clear();
        before.read_to_string(&mut read).unwrap();
        assert_eq!(read, "old");

        std::fs::remove_file(&path).unwrap();
        assert!(matches!(source.inspect(), Err(SourceError::Io(_))));
    }

    #[cfg(unix)]
    #[test]
    fn the_full_path_is_the_same_by_whatever_path_a_file_was_opened() {
        let (folder, path) = file_with(b"");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let full = |path: &Path| FileSource::open(path).unwrap().full_path();
        assert_eq!(full(&link), full(&path));
        assert_eq!(full(&folder.path().join(".").join("source")), full(&path));
        assert!(Path::new(&full(&path)).is_absolute());
    }

    #[cfg(unix)]
    #[test]
    fn the_identity_betrays_an_edit_that_restored_the_modification_time() {
        let (_folder, path) = file_with(b"one");
        let source = FileSource::open(&path).unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        // The change time has the grain of the system's clock tick: edit until it has moved on.
        let found = loop {
            let mut file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all(b"two").unwrap();
            file.set_modified(modified).unwrap();
            let found = source.inspect().unwrap();
            if found.changed_ns != source.identity().changed_ns {
                break found;
            }
        };
        assert_eq!(SourceIdentity { changed_ns: source.identity().changed_ns, ..found }, *source.identity());
    }

    #[test]
    fn what_is_not_a_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| FileSource::open(folder.path().join(name)).map(|_| ());
        assert!(matches!(open("nothing"), Err(OpenError::Missing { .. })));
        assert!(matches!(open(""), Err(OpenError::Folder { .. })));
        std::fs::write(folder.path().join("file"), b"").unwrap();
        assert!(open("file").is_ok());
        assert!(matches!(open("file/below"), Err(OpenError::Unreadable { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn pipes_sockets_and_devices_are_refused_without_waiting_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [pipe, socket, "/dev/null".into()] {
            assert!(matches!(FileSource::open(path), Err(OpenError::Special { .. })));
        }
    }
}
