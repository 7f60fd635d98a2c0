//! How the system's allocator is used.

/// Keeps the allocator from taking a pool of memory for each thread.
///
/// glibc makes up to eight pools a processor, and what one of them has free serves no other. Under
/// load that was a fifth of the host's memory; two pools cost no speed that could be measured.
pub(crate) fn keep_small() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: mallopt changes a setting of the allocator; it is called before there are threads.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 2);
        }
    }
}
