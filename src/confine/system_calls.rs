//! System calls: seccomp. A list of what is refused, not of what is allowed: what a C library needs to allocate, to wait and to start
//! threads differs between libraries and their releases, and a call that is missing from such a list shows at the wrong moment.
//!
//! Refused is what a reader never does, and what rules on files cannot refuse: to change times, modes, owners and attributes, to take
//! locks, to start programs, to signal or trace other processes, to make sockets.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::Writes;

/// What no process of this kind does.
const NEVER: &[i64] = &[
    // Programs, other processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pidfd_getfd,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_kcmp,
    // The network. What is bound already goes on to take connections.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    // What a file is, beside its bytes.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_truncate,
    libc::SYS_open_by_handle_at,
    // The system.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    // Calls that this filter would not see.
    libc::SYS_io_uring_setup,
    // Who it is.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    libc::SYS_personality,
];
/// The same by names that only older architectures have.
#[cfg(target_arch = "x86_64")]
const NEVER_OLD: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mknod,
    libc::SYS_iopl,
    libc::SYS_ioperm,
];
#[cfg(not(target_arch = "x86_64"))]
const NEVER_OLD: &[i64] = &[];

/// What only who plays the broker does.
const NOT_WHILE_WATCHING: &[i64] = &[libc::SYS_utimensat, libc::SYS_flock, libc::SYS_fallocate];
#[cfg(target_arch = "x86_64")]
const NOT_WHILE_WATCHING_OLD: &[i64] = &[libc::SYS_utime, libc::SYS_utimes, libc::SYS_futimesat];
#[cfg(not(target_arch = "x86_64"))]
const NOT_WHILE_WATCHING_OLD: &[i64] = &[];
/// Commands of `fcntl` that take a lock or a lease.
const LOCKING: [i32; 5] =
    [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW, libc::F_SETLEASE];

/// What only who keeps files does.
const NOT_WHILE_READING: &[i64] = &[
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_ftruncate,
    // Its flags lie behind a pointer.
    libc::SYS_openat2,
];
#[cfg(target_arch = "x86_64")]
const NOT_WHILE_READING_OLD: &[i64] =
    &[libc::SYS_creat, libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_unlink, libc::SYS_rename];
#[cfg(not(target_arch = "x86_64"))]
const NOT_WHILE_READING_OLD: &[i64] = &[];
/// Calls that open a file, and which of their arguments are the flags.
#[cfg(target_arch = "x86_64")]
const OPENING: &[(i64, u8)] = &[(libc::SYS_open, 1), (libc::SYS_openat, 2)];
#[cfg(not(target_arch = "x86_64"))]
const OPENING: &[(i64, u8)] = &[(libc::SYS_openat, 2)];

/// Refuses this thread the calls that it does not need, with `EPERM`.
pub(super) fn refuse(writes: &Writes) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("system_calls: {error}");
    let program = program(writes).map_err(|error| told(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| told(&error))
}

fn program(writes: &Writes) -> Result<BpfProgram, BackendError> {
    let is_playing = matches!(writes, Writes::Play(_));
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut always = |calls: &[i64]| refused.extend(calls.iter().map(|call| (*call, Vec::new())));
    always(NEVER);
    always(NEVER_OLD);
    if !is_playing {
        always(NOT_WHILE_WATCHING);
        always(NOT_WHILE_WATCHING_OLD);
    }
    if *writes == Writes::Nowhere {
        always(NOT_WHILE_READING);
        always(NOT_WHILE_READING_OLD);
        for (call, flags) in OPENING {
            refused.insert(*call, opening_for_more(*flags)?);
        }
    }
    if !is_playing {
        let locking = LOCKING.iter().map(|command| rule(1, Eq, *command)).collect::<Result<_, _>>()?;
        refused.insert(libc::SYS_fcntl, locking);
    }
    // To end itself a process signals itself.
    refused.insert(libc::SYS_tgkill, vec![rule(0, Ne, std::process::id())?]);
    let eperm = u32::try_from(libc::EPERM).unwrap_or(1);
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(eperm), arch)?.try_into()
}

/// Opening a file for more than reading it.
fn opening_for_more(argument: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let bits = |mask: i32, value: i32| rule(argument, MaskedEq(u64::try_from(mask).unwrap_or(0)), value);
    Ok(vec![
        bits(libc::O_ACCMODE, libc::O_WRONLY)?,
        bits(libc::O_ACCMODE, libc::O_RDWR)?,
        bits(libc::O_CREAT, libc::O_CREAT)?,
        bits(libc::O_TRUNC, libc::O_TRUNC)?,
    ])
}

fn rule(argument: u8, is: SeccompCmpOp, value: impl TryInto<u64>) -> Result<SeccompRule, BackendError> {
    // Constants and process ids are never negative.
    let value = value.try_into().unwrap_or_default();
    SeccompRule::new(vec![SeccompCondition::new(argument, Dword, is, value)?])
}
