//! Digests of ranges; those that are asked for at the same time are computed side by side.
//!
//! A core hashes several messages in the time of one (`ossup-md5`), so threads that come with a range each are better
//! served by one of them than by each for itself. Whoever comes first serves: itself, and those who come meanwhile. Each
//! range moves on by a piece at a time, so nobody waits for a neighbour, and a range that has no neighbours is digested
//! as if there were no desk. Who has served until its own range is done hands the others over to one of them.

use std::fmt;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ossup_core::digest::{ContentDigest, Hasher};
use ossup_core::upload::effect::SourceError;

use crate::source::RangeReader;

/// How much of a range is read and digested at once, in bytes: large enough to make system calls cheap, small enough for
/// the pieces of all to stay in the cache of a core until they are digested.
pub(crate) const PIECE: usize = 64 * 1024;

/// Where threads come with ranges to be digested.
#[derive(Default)]
pub(crate) struct Desk {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Those nobody serves yet.
    waiting: Vec<Customer>,
    /// How many there are in all, served or not.
    customers: usize,
    /// How many threads serve. There are more than one only when there are more customers than lanes.
    clerks: usize,
}

/// A range that somebody wants the digest of.
struct Customer {
    reader: RangeReader,
    hasher: Hasher,
    stop: Box<dyn Fn() -> bool + Send>,
    /// What became of the piece that is in its buffer.
    read: Result<usize, SourceError>,
    tray: Arc<Tray>,
}

/// Where a thread that waits finds what it waits for.
#[derive(Default)]
struct Tray {
    content: Mutex<Option<Content>>,
    filled: Condvar,
}

enum Content {
    /// The digest of its range.
    Digest(Result<ContentDigest, SourceError>),
    /// It is to serve these from now on; itself is one of them.
    Service(Served),
}

/// Customers who are served together, with a buffer for each.
#[derive(Default)]
struct Served {
    customers: Vec<Customer>,
    pieces: Vec<Vec<u8>>,
}

impl Desk {
    /// Reads a range to its end and computes its digest. `stop` is asked before each piece, not necessarily by this thread.
    pub(crate) fn digest(
        &self,
        reader: RangeReader,
        hasher: Hasher,
        stop: Box<dyn Fn() -> bool + Send>,
    ) -> Result<ContentDigest, SourceError> {
        let tray = Arc::new(Tray::default());
        let customer = Customer { reader, hasher, stop, read: Ok(0), tray: Arc::clone(&tray) };
        let served = match self.queue_up(customer) {
            Some(customer) => Served { customers: vec![customer], pieces: Vec::new() },
            None => match tray.wait() {
                Content::Digest(digest) => return digest,
                Content::Service(served) => served,
            },
        };
        let mut clerk = Clerk { desk: self, served };
        loop {
            clerk.serve_a_piece();
            if let Some(Content::Digest(digest)) = tray.lock().take() {
                return digest;
            }
        }
    }

    /// Gives a customer to those who serve; or back, if there is nobody who can, to be served by its own thread.
    fn queue_up(&self, customer: Customer) -> Option<Customer> {
        let mut queue = self.lock();
        queue.customers += 1;
        if queue.customers > queue.clerks * lanes() {
            queue.clerks += 1;
            return Some(customer);
        }
        queue.waiting.push(customer);
        None
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it is locked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// How many ranges are digested side by side.
fn lanes() -> usize {
    Hasher::lanes()
}

impl Tray {
    fn fill(&self, content: Content) {
        *self.lock() = Some(content);
        self.filled.notify_one();
    }

    fn wait(&self) -> Content {
        let mut content = self.lock();
        loop {
            if let Some(content) = content.take() {
                return content;
            }
            content = self.filled.wait(content).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Content>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that serves. When it goes, the others are handed over.
struct Clerk<'a> {
    desk: &'a Desk,
    served: Served,
}

impl Clerk<'_> {
    /// Moves each range on by a piece, and gives those their digests who are at the end.
    fn serve_a_piece(&mut self) {
        self.call_those_who_wait();
        let Served { customers, pieces } = &mut self.served;
        pieces.resize_with(pieces.len().max(customers.len()), || vec![0; PIECE]);
        for (customer, piece) in customers.iter_mut().zip(&mut *pieces) {
            customer.read =
                if (customer.stop)() { Err(SourceError::Stopped) } else { customer.reader.read_piece(piece) };
        }
        let mut taken = Vec::with_capacity(customers.len());
        for (customer, piece) in customers.iter_mut().zip(&*pieces) {
            if let Ok(read) = customer.read {
                taken.push((&mut customer.hasher, piece.get(..read).unwrap_or_default()));
            }
        }
        Hasher::update_all(&mut taken);
        let gone: Vec<_> = customers
            .extract_if(.., |customer| customer.read.is_err() || customer.reader.remaining() == 0)
            .collect();
        if !gone.is_empty() {
            self.desk.lock().customers -= gone.len();
        }
        for Customer { hasher, read, tray, .. } in gone {
            tray.fill(Content::Digest(read.map(|_| hasher.finish())));
        }
    }

    fn call_those_who_wait(&mut self) {
        let mut queue = self.desk.lock();
        let free = lanes().saturating_sub(self.served.customers.len()).min(queue.waiting.len());
        self.served.customers.extend(queue.waiting.drain(..free));
    }
}

impl Drop for Clerk<'_> {
    fn drop(&mut self) {
        let mut served = mem::take(&mut self.served);
        if std::thread::panicking() {
            // Nobody must wait for a thread that is no more, nor be served from where it panicked.
            let mut queue = self.desk.lock();
            queue.customers -= served.customers.len();
            queue.clerks -= 1;
            if queue.clerks == 0 {
                queue.customers -= queue.waiting.len();
                served.customers.append(&mut queue.waiting);
            }
            drop(queue);
            for customer in served.customers {
                let error = SourceError::Io("the thread that read it has panicked".into());
                customer.tray.fill(Content::Digest(Err(error)));
            }
            return;
        }
        let mut queue = self.desk.lock();
        if served.customers.is_empty() {
            let most = lanes().min(queue.waiting.len());
            served.customers.extend(queue.waiting.drain(..most));
        }
        let Some(next) = served.customers.first().map(|customer| Arc::clone(&customer.tray)) else {
            queue.clerks -= 1;
            return;
        };
        drop(queue);
        next.fill(Content::Service(served));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    use ossup_core::digest::{Integrity, Md5};
    use ossup_core::part::ByteRange;

    use super::*;
    use crate::FileSource;

    const LEN: usize = 3 * PIECE + 777;

    fn source() -> (tempfile::TempDir, FileSource, Vec<u8>) {
        let content: Vec<u8> = (0..LEN).map(|at| (at * 31 % 251) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, &content).unwrap();
        (folder, FileSource::open(path).unwrap(), content)
    }

    fn reader(source: &FileSource, offset: usize, len: usize) -> RangeReader {
        source.reader(ByteRange::new(offset as u64, len as u64).unwrap())
    }

    fn hasher() -> Hasher {
        Hasher::new(Integrity::Md5AndCrc)
    }

    /// Serves one customer that waits at the desk, before its first piece, until `go` says so, and gives that it has come.
    fn first(
        desk: &Desk,
        reader: RangeReader,
        go: Receiver<()>,
        last_words: fn(),
    ) -> Result<ContentDigest, SourceError> {
        let stop = move || {
            // Once; from then on there is nobody who could say anything.
            if go.recv().is_ok() {
                last_words();
            }
            false
        };
        desk.digest(reader, hasher(), Box::new(stop))
    }

    /// Waits until there are so many customers.
    fn await_customers(desk: &Desk, count: usize) {
        while desk.lock().customers < count {
            thread::yield_now();
        }
    }

    #[test]
    fn ranges_of_any_length_have_their_digests_whoever_serves_them() {
        let (_folder, source, content) = source();
        let desk = Desk::default();
        // One more than fit, so that there is a second thread that serves.
        let count = lanes() + 1;
        let (go, told) = channel();
        thread::scope(|scope| {
            let short = scope.spawn(|| first(&desk, reader(&source, 1, 5), told, || {}));
            await_customers(&desk, 1);
            let others: Vec<_> = (2..=count)
                .map(|n| {
                    let (offset, len) = (n * 3, LEN - n * PIECE.min(LEN / 2 / count) - n * 3);
                    let (desk, reader) = (&desk, reader(&source, offset, len));
                    let digest = scope.spawn(move || desk.digest(reader, hasher(), Box::new(|| false)));
                    (offset, len, digest)
                })
                .collect();
            go.send(()).unwrap();
            drop(go);
            assert_eq!(short.join().unwrap().unwrap().md5, Some(Md5::of(&content[1..6])));
            for (offset, len, digest) in others {
                let digest = digest.join().unwrap().unwrap();
                assert_eq!(digest.len, len as u64);
                assert_eq!(digest.md5, Some(Md5::of(&content[offset..offset + len])), "{len} from {offset}");
            }
        });
        let queue = desk.lock();
        assert_eq!((queue.customers, queue.clerks, queue.waiting.len()), (0, 0, 0));
    }

    #[test]
    fn who_is_stopped_or_cannot_be_read_is_no_harm_to_the_others() {
        let (_folder, source, content) = source();
        let desk = Desk::default();
        let (go, told) = channel();
        thread::scope(|scope| {
            let served = scope.spawn(|| first(&desk, reader(&source, 0, LEN), told, || {}));
            await_customers(&desk, 1);
            let stopped = scope.spawn(|| desk.digest(reader(&source, 0, LEN), hasher(), Box::new(|| true)));
            let behind_the_end = reader(&source, LEN - 10, 20);
            let shortened = scope.spawn(|| desk.digest(behind_the_end, hasher(), Box::new(|| false)));
            await_customers(&desk, 3);
            go.send(()).unwrap();
            drop(go);
            assert_eq!(stopped.join().unwrap(), Err(SourceError::Stopped));
            assert_eq!(shortened.join().unwrap(), Err(SourceError::Shortened { at: LEN as u64 }));
            assert_eq!(served.join().unwrap().unwrap().md5, Some(Md5::of(&content)));
        });
    }

    #[test]
    fn nobody_waits_for_a_thread_that_has_panicked() {
        let (_folder, source, content) = source();
        let desk = Desk::default();
        let (go, told) = channel();
        thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let panics = || panic!("on purpose");
                catch_unwind(AssertUnwindSafe(|| first(&desk, reader(&source, 0, LEN), told, panics)))
            });
            await_customers(&desk, 1);
            let waiting = scope.spawn(|| desk.digest(reader(&source, 0, LEN), hasher(), Box::new(|| false)));
            await_customers(&desk, 2);
            go.send(()).unwrap();
            assert!(serving.join().unwrap().is_err());
            assert!(matches!(waiting.join().unwrap(), Err(SourceError::Io(_))) || lanes() == 1);
        });
        let digest = desk.digest(reader(&source, 0, LEN), hasher(), Box::new(|| false));
        assert_eq!(digest.unwrap().md5, Some(Md5::of(&content)));
    }
}
