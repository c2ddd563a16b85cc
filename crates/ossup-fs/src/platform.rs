//! Where operating systems differ: opening a file without following a link, making names durable, the host's name.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a regular file by its own name: a link in its place is refused, and so is anything that is not a file. What
/// it creates is readable by its owner alone.
///
/// Whoever can write to the folder must not be able to direct us to files elsewhere, nor to make us wait for a pipe.
pub(crate) fn open_plain(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let mut options = options.clone();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;

        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt as _;

        // Opens the link itself, which the check below then refuses.
        const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    }
    let file = match options.open(path) {
        Ok(file) => file,
        // The systems disagree on the code for a link that was not followed.
        Err(_) if path.is_symlink() => return Err(not_a_file("it is a symbolic link")),
        Err(error) => return Err(error),
    };
    let kind = file.metadata()?.file_type();
    if kind.is_symlink() {
        Err(not_a_file("it is a symbolic link"))
    } else if !kind.is_file() {
        Err(not_a_file("it is not a file"))
    } else {
        Ok(file)
    }
}

fn not_a_file(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Makes the names in a folder durable: a file that was created, renamed or removed in it stays so after a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened as files, and the system keeps names in order by itself.
    if cfg!(unix) {
        match File::open(folder)?.sync_all() {
            // Some network and user-space file systems have no fsync for folders; there is nothing better to do.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
            done => done?,
        }
    }
    Ok(())
}

/// Whether there is a process of this number.
#[cfg(unix)]
pub(crate) fn is_process(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // It may be another user's, which we may not send anything to.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Whether there is a process of this number: not to be found out here.
#[cfg(not(unix))]
pub(crate) fn is_process(_: u32) -> bool {
    true
}

/// The name of this host, for the person who looks for the process that holds a lock.
#[cfg(unix)]
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name of this host, for the person who looks for the process that holds a lock.
#[cfg(not(unix))]
pub(crate) fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
