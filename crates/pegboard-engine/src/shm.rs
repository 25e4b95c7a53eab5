//! Blocks of shared memory: large values on their way between workers.
//!
//! Invariants: a block is sealed before anybody else sees it; it lives as long as one of the [`ObjectHandle`]s that share it and
//! is gone, with its spilled file, when the last one is dropped; its content is read into this process for results that are kept
//! for later runs, and for nothing else. Blocks over the
//! budget move to files, least recently used first; whoever opens one gets a descriptor and cannot tell the difference.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pegboard_model::{Error, ErrorKind, ObjectHandle, Value};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::process::{Resource, Rlimit};
use tokio::sync::Notify;

/// Suffix of spilled files, so that only those are removed at start.
const SUFFIX: &str = "block";
/// Pause after a spill that failed (disk full) before the next one is tried.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Bytes that move per call while a block is spilled.
const COPY_STEP: usize = 16 << 20;

/// Where blocks may go.
#[derive(Clone, Debug)]
pub struct BlocksOptions {
    /// Folder for spilled blocks, `<data>/spill`; emptied at start.
    pub spill: PathBuf,
    /// Sum of blocks in memory, in bytes, above which the least recently used are spilled.
    pub memory_budget: u64,
}

/// The table of live blocks of this server. Cheap to share.
#[derive(Debug)]
pub struct Blocks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: BlocksOptions,
    /// Blocks in memory above which some are spilled for their descriptors.
    most_descriptors: usize,
    table: Mutex<Table>,
    clock: AtomicU64,
    jobs: Sender<Job>,
    /// Something left the memory, or cannot.
    moved: Notify,
}

#[derive(Debug, Default)]
struct Table {
    live: HashMap<u64, Weak<SharedBlock>>,
    next: u64,
    /// Bytes and number of blocks in memory.
    memory: u64,
    descriptors: usize,
    /// Bytes that others keep in this process and count here.
    inline: u64,
    spilled: u64,
    /// A round of spilling is on or queued.
    spilling: bool,
    /// When the disk refused.
    refused: Option<Instant>,
}

/// What the thread that touches the disk does.
#[derive(Debug)]
enum Job {
    Spill,
    Remove(PathBuf),
}

/// One large value.
#[derive(Debug)]
pub(crate) struct SharedBlock {
    number: u64,
    size: u64,
    place: Mutex<Place>,
    used: AtomicU64,
    owner: Arc<Shared>,
}

#[derive(Debug)]
enum Place {
    Memory(Arc<OwnedFd>),
    Disk(PathBuf),
}

/// Why a descriptor is not taken as a block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    /// It is no memory file, or can still be changed.
    #[error("a shared value is not a sealed memory file")]
    NotSealed,
    /// It says another size than it has.
    #[error("a shared value claims {claimed} bytes and has {real}")]
    Size {
        /// In the message.
        claimed: u64,
        /// Of the file.
        real: u64,
    },
}

impl Blocks {
    /// Empties the spill folder and raises the soft limit of open files to the hard one.
    ///
    /// # Errors
    /// `spill-folder` when the folder cannot be made or emptied.
    pub fn open(options: BlocksOptions) -> Result<Arc<Self>, Error> {
        empty(&options.spill).map_err(|error| {
            Error::new(
                ErrorKind::Exhausted,
                "spill-folder",
                format!("cannot use `{}` for spilled values: {error}", options.spill.display()),
            )
            .hint("check that the data directory is on a disk that this user may write to")
        })?;
        let limit = raise_descriptor_limit();
        let (jobs, queue) = channel();
        let shared = Arc::new(Shared {
            options,
            most_descriptors: usize::try_from(limit / 2).unwrap_or(usize::MAX),
            table: Mutex::default(),
            clock: AtomicU64::new(0),
            jobs,
            moved: Notify::new(),
        });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new().name("pegboard-spill".to_owned()).spawn(move || serve(&weak, &queue)).map_err(|error| {
            Error::new(ErrorKind::Exhausted, "spill-thread", format!("cannot start the spilling thread: {error}"))
        })?;
        Ok(Arc::new(Self { shared }))
    }

    /// Bytes of values held in memory now.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        let table = self.shared.table();
        table.memory + table.inline
    }

    /// Bytes of values spilled to disk now.
    #[must_use]
    pub fn spilled(&self) -> u64 {
        self.shared.table().spilled
    }

    /// Number of live blocks.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.table().live.len()
    }

    /// Takes a memory file that a worker has sent.
    pub(crate) fn adopt(&self, descriptor: OwnedFd, claimed: u64) -> Result<Value, AdoptError> {
        let wanted = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        let seals = rustix::fs::fcntl_get_seals(&descriptor).map_err(|_| AdoptError::NotSealed)?;
        if !seals.contains(wanted) {
            return Err(AdoptError::NotSealed);
        }
        let real = rustix::fs::fstat(&descriptor).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
        if real != claimed {
            return Err(AdoptError::Size { claimed, real });
        }
        let mut table = self.shared.table();
        let number = table.next;
        table.next += 1;
        let block = Arc::new(SharedBlock {
            number,
            size: real,
            place: Mutex::new(Place::Memory(Arc::new(descriptor))),
            used: AtomicU64::new(self.shared.tick()),
            owner: Arc::clone(&self.shared),
        });
        table.live.insert(number, Arc::downgrade(&block));
        table.memory += real;
        table.descriptors += 1;
        self.shared.relieve(&mut table);
        drop(table);
        Ok(Value::Object(ObjectHandle::new(block, real)))
    }

    /// A block of these bytes. Takes a while when they are many.
    pub(crate) fn make(&self, content: &[u8]) -> io::Result<Value> {
        let descriptor = rustix::fs::memfd_create("pegboard-kept", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = fs::File::from(descriptor);
        file.write_all(content)?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        self.adopt(file.into(), content.len() as u64).map_err(io::Error::other)
    }

    /// Counts bytes that somebody keeps in this process instead of a block.
    pub(crate) fn charge(&self, bytes: u64) {
        let mut table = self.shared.table();
        table.inline += bytes;
        self.shared.relieve(&mut table);
    }

    /// Takes them off again.
    pub(crate) fn discharge(&self, bytes: u64) {
        let mut table = self.shared.table();
        table.inline = table.inline.saturating_sub(bytes);
    }

    /// Whether values come faster than they can be spilled.
    pub(crate) fn is_crowded(&self) -> bool {
        self.shared.is_crowded()
    }

    /// Waits until they no longer do, or until the disk refuses.
    pub(crate) async fn settle(&self) {
        loop {
            let mut moved = std::pin::pin!(self.shared.moved.notified());
            moved.as_mut().enable();
            if !self.shared.is_crowded() {
                return;
            }
            moved.await;
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn is_over(&self, table: &Table) -> bool {
        table.descriptors > 0
            && (table.memory + table.inline > self.options.memory_budget || table.descriptors > self.most_descriptors)
    }

    fn is_crowded(&self) -> bool {
        let table = self.table();
        let refused = table.refused.is_some_and(|since| since.elapsed() < AFTER_FAILURE);
        let much = self.options.memory_budget + self.options.memory_budget / 4;
        !refused && table.descriptors > 0 && table.memory + table.inline > much
    }

    /// Asks for a round of spilling when one is needed and none is on.
    fn relieve(&self, table: &mut Table) {
        let refused = table.refused.is_some_and(|since| since.elapsed() < AFTER_FAILURE);
        if self.is_over(table) && !table.spilling && !refused {
            table.spilling = self.jobs.send(Job::Spill).is_ok();
        }
    }

    /// Spills the least recently used blocks until the rest fits.
    fn spill_round(&self) {
        let mut candidates: Vec<Arc<SharedBlock>> = {
            let table = self.table();
            table.live.values().filter_map(Weak::upgrade).collect()
        };
        candidates.sort_by_key(|block| block.used.load(Ordering::Relaxed));
        let mut refused = None;
        for block in candidates {
            if !self.is_over(&self.table()) {
                break;
            }
            if let Err(error) = block.spill() {
                tracing::warn!(size = block.size, %error, "a value could not be spilled to disk and stays in memory");
                refused = Some(Instant::now());
                break;
            }
            self.moved.notify_waiters();
        }
        let mut table = self.table();
        table.spilling = false;
        table.refused = refused;
        if refused.is_none() {
            // Blocks that came meanwhile are not among the candidates.
            self.relieve(&mut table);
        }
        drop(table);
        self.moved.notify_waiters();
    }
}

impl SharedBlock {
    /// A descriptor to map: of the memory, or of the file that it was spilled to.
    pub(crate) async fn open(self: &Arc<Self>) -> io::Result<Arc<OwnedFd>> {
        self.used.store(self.owner.tick(), Ordering::Relaxed);
        let path = match &*self.place() {
            Place::Memory(descriptor) => return Ok(Arc::clone(descriptor)),
            Place::Disk(path) => path.clone(),
        };
        // The block is held by the caller, so its file is not removed meanwhile.
        let file = tokio::task::spawn_blocking(move || fs::File::open(path)).await.map_err(io::Error::other)??;
        Ok(Arc::new(file.into()))
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spill(&self) -> io::Result<()> {
        let descriptor = match &*self.place() {
            Place::Memory(descriptor) => Arc::clone(descriptor),
            Place::Disk(_) => return Ok(()),
        };
        let path = self.owner.options.spill.join(format!("{}.{SUFFIX}", self.number));
        let copied = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|file| copy(&descriptor, &file, self.size));
        if let Err(error) = copied {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        *self.place() = Place::Disk(path);
        let mut table = self.owner.table();
        table.memory -= self.size;
        table.descriptors -= 1;
        table.spilled += self.size;
        Ok(())
    }
}

impl Drop for SharedBlock {
    fn drop(&mut self) {
        let mut table = self.owner.table();
        table.live.remove(&self.number);
        match &*self.place() {
            Place::Memory(_) => {
                table.memory -= self.size;
                table.descriptors -= 1;
            }
            Place::Disk(path) => {
                table.spilled -= self.size;
                // Removing a large file takes a while: not here, perhaps on an async thread.
                if self.owner.jobs.send(Job::Remove(path.clone())).is_err() {
                    let _ = fs::remove_file(path);
                }
            }
        }
        drop(table);
        self.owner.moved.notify_waiters();
    }
}

/// The bytes of a value; none when its file cannot be read.
pub(crate) async fn content(value: &Value) -> Option<Bytes> {
    let handle = match value {
        Value::Inline(bytes) => return Some(bytes.clone()),
        Value::Object(handle) => handle,
    };
    let block: Arc<SharedBlock> = handle.downcast()?;
    let descriptor = block.open().await.ok()?;
    let size = usize::try_from(handle.size()).ok()?;
    let read = move || {
        let mut content = vec![0; size];
        let mut at = 0;
        while at < size {
            // At an offset of our own: workers share the descriptor's one.
            match rustix::io::pread(&descriptor, &mut content[at..], at as u64).ok()? {
                0 => return None,
                count => at += count,
            }
        }
        Some(Bytes::from(content))
    };
    // The block is held until its content is there.
    let content = tokio::task::spawn_blocking(read).await.ok().flatten();
    drop(block);
    content
}

/// Runs until the table is gone.
fn serve(shared: &Weak<Shared>, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        match job {
            Job::Spill => {
                if let Some(shared) = shared.upgrade() {
                    shared.spill_round();
                }
            }
            Job::Remove(path) => {
                if let Err(error) = fs::remove_file(&path) {
                    tracing::debug!(path = %path.display(), %error, "a spilled value was not there to remove");
                }
            }
        }
    }
}

/// Copies within the kernel; the offset is ours alone, since workers share the descriptor's own one.
fn copy(from: &OwnedFd, to: &fs::File, size: u64) -> io::Result<()> {
    let mut offset = 0u64;
    while offset < size {
        let step = usize::try_from(size - offset).unwrap_or(usize::MAX).min(COPY_STEP);
        if rustix::fs::sendfile(to.as_fd(), from.as_fd(), Some(&mut offset), step)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn empty(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == SUFFIX) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Raises the soft limit of open files to the hard one and says what it is now.
fn raise_descriptor_limit() -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && rustix::process::setrlimit(Resource::Nofile, raised).is_err() {
        return limit.current.unwrap_or(u64::MAX);
    }
    limit.maximum.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    fn sealed(byte: u8, size: usize, seals: SealFlags) -> OwnedFd {
        let descriptor = rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        let mut file = fs::File::from(descriptor);
        file.write_all(&vec![byte; size]).unwrap();
        rustix::fs::fcntl_add_seals(&file, seals).unwrap();
        file.into()
    }

    fn all() -> SealFlags {
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL
    }

    fn blocks(budget: u64) -> (tempfile::TempDir, Arc<Blocks>) {
        let folder = tempfile::tempdir().unwrap();
        let options = BlocksOptions { spill: folder.path().join("spill"), memory_budget: budget };
        (folder, Blocks::open(options).unwrap())
    }

    #[tokio::test]
    async fn what_is_kept_comes_back_as_it_was() {
        for budget in [1 << 40, 0] {
            let (_folder, blocks) = blocks(budget);
            let bytes: Vec<u8> = (0..3_000_000u32).map(|number| number as u8).collect();
            let value = blocks.make(&bytes).unwrap();
            blocks.settle().await;
            assert_eq!(value.size(), bytes.len() as u64);
            assert!(content(&value).await.unwrap() == bytes);
            assert_eq!(content(&Value::Inline(Bytes::from_static(b"N."))).await.unwrap(), "N.");
        }
    }

    fn files(folder: &tempfile::TempDir) -> usize {
        fs::read_dir(folder.path().join("spill")).unwrap().count()
    }

    async fn wait_for(what: &str, condition: impl Fn() -> bool) {
        for _ in 0..500 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} did not happen");
    }

    #[test]
    fn only_sealed_files_of_the_claimed_size_are_taken() {
        let (_folder, blocks) = blocks(1 << 20);
        assert!(blocks.adopt(sealed(1, 100, all()), 100).is_ok());
        assert!(matches!(blocks.adopt(sealed(1, 100, all()), 99), Err(AdoptError::Size { claimed: 99, real: 100 })));
        assert!(matches!(blocks.adopt(sealed(1, 100, all() - SealFlags::WRITE), 100), Err(AdoptError::NotSealed)));
        assert!(matches!(blocks.adopt(tempfile::tempfile().unwrap().into(), 0), Err(AdoptError::NotSealed)));
        assert_eq!((blocks.count(), blocks.in_memory()), (0, 0));
    }

    #[tokio::test]
    async fn the_least_recently_used_go_to_disk_and_come_back_the_same() {
        let (folder, blocks) = blocks(2500);
        let values: Vec<Value> = (0..2).map(|byte| blocks.adopt(sealed(byte, 1000, all()), 1000).unwrap()).collect();
        let open = async |value: &Value| {
            let Value::Object(handle) = value else { panic!("inline") };
            handle.downcast::<SharedBlock>().unwrap().open().await.unwrap()
        };
        drop(open(&values[0]).await);
        let third = blocks.adopt(sealed(2, 1000, all()), 1000).unwrap();
        wait_for("spill", || blocks.spilled() == 1000).await;
        assert_eq!((blocks.in_memory(), blocks.count(), files(&folder)), (2000, 3, 1));
        for (byte, value) in values.iter().chain([&third]).enumerate() {
            let mut file = fs::File::from(open(value).await.try_clone().unwrap());
            let mut content = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut content).unwrap();
            assert_eq!(content, vec![byte as u8; 1000]);
        }
        let Value::Object(second) = &values[1] else { panic!("inline") };
        assert!(matches!(&*second.downcast::<SharedBlock>().unwrap().place(), Place::Disk(_)), "the one not used was spilled");
        drop((values, third));
        wait_for("removal", || files(&folder) == 0).await;
        assert_eq!((blocks.in_memory(), blocks.spilled(), blocks.count()), (0, 0, 0));
    }

    #[tokio::test]
    async fn what_is_kept_elsewhere_counts_and_settling_waits_for_the_disk() {
        let (_folder, blocks) = blocks(1000);
        let _value = blocks.adopt(sealed(7, 1000, all()), 1000).unwrap();
        assert_eq!(blocks.spilled(), 0);
        blocks.charge(600);
        blocks.settle().await;
        assert_eq!((blocks.in_memory(), blocks.spilled()), (600, 1000));
        blocks.discharge(600);
        assert_eq!(blocks.in_memory(), 0);
    }

    #[tokio::test]
    async fn a_disk_that_refuses_leaves_values_in_memory() {
        let (folder, blocks) = blocks(1000);
        fs::remove_dir(folder.path().join("spill")).unwrap();
        let value = blocks.adopt(sealed(7, 2000, all()), 2000).unwrap();
        blocks.settle().await;
        assert_eq!((blocks.in_memory(), blocks.spilled(), value.size()), (2000, 0, 2000));
    }

    #[test]
    fn a_start_removes_what_a_killed_server_left() {
        let folder = tempfile::tempdir().unwrap();
        let spill = folder.path().join("spill");
        fs::create_dir(&spill).unwrap();
        fs::write(spill.join("17.block"), "left").unwrap();
        fs::write(spill.join("note.txt"), "not ours").unwrap();
        let _blocks = Blocks::open(BlocksOptions { spill: spill.clone(), memory_budget: 1 }).unwrap();
        assert!(!spill.join("17.block").exists() && spill.join("note.txt").exists());
    }
}
