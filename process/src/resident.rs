//! What a process holds of the machine's memory, beside what it uses. The allocator keeps what was freed for a second, in case
//! it is wanted again, and a query that spills frees and takes its whole pool many times in that. And a huge page stays as
//! long as any byte of it is in use: without them a query that spills holds half as much, and none is slower.

use std::io;
use std::time::Duration;

/// How often the process looks at its size: rarely while it is small, so that one that has nothing to do sleeps.
const LOOK: Duration = Duration::from_millis(100);
const LOOK_WHILE_LARGE: Duration = Duration::from_millis(10);
/// The allocator's default.
const KEPT_MILLISECONDS: libc::c_long = 1_000;

/// What a process may hold with a pool of `pool_bytes`: what its queries count, a fifth more for what they do not count, its
/// cache, and 128 MiB for itself, plans and messages.
pub fn allowance(pool_bytes: u64, cache_bytes: u64) -> u64 {
    pool_bytes.saturating_add(pool_bytes / 5).saturating_add(cache_bytes).saturating_add(128 << 20)
}

/// Starts a thread that has the allocator keep nothing free while the process holds more than `bytes`. Call it before the
/// process uses memory: there are no huge pages from here on.
pub fn hold_down(bytes: u64) -> io::Result<()> {
    disable_huge_pages();
    std::thread::Builder::new().name("arbalest-memory".into()).spawn(move || {
        let mut is_large = false;
        while let Some(resident) = resident_bytes() {
            // Back only when it has fallen by some more, so that it does not go to and fro.
            let limit = if is_large { bytes - bytes / 8 } else { bytes };
            if is_large != (resident > limit) {
                is_large = resident > limit;
                keep_free_memory_for(if is_large { 0 } else { KEPT_MILLISECONDS });
            }
            std::thread::sleep(if resident > bytes / 2 { LOOK_WHILE_LARGE } else { LOOK });
        }
    })?;
    Ok(())
}

/// The physical memory of this process. `None` where there is no `/proc`.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(target_os = "linux")]
fn disable_huge_pages() {
    // The system reads all of them, at full width.
    const YES: libc::c_ulong = 1;
    const NO: libc::c_ulong = 0;
    // SAFETY: it takes numbers, and changes what the system does with pages that it gives out.
    #[expect(unsafe_code, reason = "the system has no other interface")]
    let failed = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, YES, NO, NO, NO) } != 0;
    if failed {
        tracing::debug!(error = %io::Error::last_os_error(), "huge pages cannot be disabled");
    }
}

#[cfg(not(target_os = "linux"))]
fn disable_huge_pages() {}

/// Has the allocator give back what is free after so many milliseconds; what is free already, at once.
fn keep_free_memory_for(milliseconds: libc::c_long) {
    /// `mi_option_purge_delay`, which the bindings have no name for.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: both functions may be called at any time from any thread.
    #[expect(unsafe_code, reason = "the allocator has no other interface")]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, milliseconds);
        libmimalloc_sys::mi_collect(true);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

    const BYTES: usize = 256 << 20;

    fn use_and_free() {
        let used: Vec<Vec<u8>> = (0..BYTES >> 20).map(|n| vec![n as u8 | 1; 1 << 20]).collect();
        assert_eq!(std::hint::black_box(used).iter().map(Vec::len).sum::<usize>(), BYTES);
    }

    #[test]
    fn nothing_is_kept_free_when_told() {
        let before = resident_bytes().expect("this is Linux");
        let grown = || resident_bytes().expect("this is Linux").saturating_sub(before);
        keep_free_memory_for(60_000);
        use_and_free();
        assert!(grown() > BYTES as u64 / 2, "{} bytes", grown());
        keep_free_memory_for(0);
        use_and_free();
        assert!(grown() < BYTES as u64 / 8, "{} bytes", grown());
    }
}
