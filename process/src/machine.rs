//! What this process may use of the machine: memory and cores, as limited by its container.

use std::num::NonZeroUsize;

use sysinfo::System;

/// The memory this process may use, in bytes: its cgroup's limit, or all the machine has.
pub fn memory_bytes() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let machine = system.total_memory();
    system.cgroup_limits().map_or(machine, |limits| limits.total_memory.min(machine))
}

/// The cores this process may use: its affinity and cgroup quota, or all the machine has.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_something_to_run_on() {
        assert!(super::memory_bytes() > 16 << 20);
        assert!(super::cores() >= 1);
    }
}
