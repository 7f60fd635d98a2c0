//! What the process asks of the system before anything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Keeps the allocator from taking a pool of memory for each thread.
///
/// glibc makes up to eight pools a processor, and what one of them has free serves no other. Under
/// load that was a fifth of the host's memory; two pools cost no speed that could be measured.
pub(crate) fn keep_memory_small() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: mallopt changes a setting of the allocator; it is called before there are threads.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 2);
        }
    }
}

/// Allows as many open files as the system lets this user have: the usual 1024 are fewer than the
/// connections, tables and segments of a busy host. Returns how many those are; none if there is no
/// bound.
pub(crate) fn allow_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}
