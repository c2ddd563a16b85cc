//! How much memory this machine has, as far as it says so.

use std::sync::LazyLock;

/// Where a machine does not say.
const UNKNOWN: u64 = 8 << 30;

/// Half of the memory of this machine, or of the container, in bytes.
pub(crate) fn half_of_memory() -> u64 {
    static MEMORY: LazyLock<u64> = LazyLock::new(|| {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let whole = in_all(&read("/proc/meminfo"));
        // Version 2 and version 1 of control groups.
        let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        let limits = limits.into_iter().filter_map(|path| read(path).trim().parse().ok());
        limits.chain(whole).min().unwrap_or(UNKNOWN)
    });
    *MEMORY / 2
}

/// The sum that `/proc/meminfo` begins with.
fn in_all(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_understood() {
        assert_eq!(in_all("MemTotal:       24117248 kB\nMemFree:  1 kB\n"), Some(24_117_248 * 1024));
        assert_eq!(in_all(""), None);
        assert!(half_of_memory() > 1 << 24);
    }
}
