//! System calls: seccomp. A list of what is refused, not of what is allowed: what a C library needs to allocate, to wait and to start
//! threads differs between libraries and their releases, and a call that is missing from such a list shows at the wrong moment.
//! Calls that came after [`LAST`], of which the list knows nothing, do not exist for the process: every library does without them on
//! a kernel that is older.
//!
//! Refused is what a reader never does, and what rules on files cannot refuse: to change times, modes, owners and attributes, to take
//! locks, to start programs, to signal, trace, limit or slow other processes, to make sockets. Where a call does both, its arguments
//! decide: of `fcntl` and `ioctl` what is needed is named, as they do more with every kernel.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::Writes;

/// The last call of which this file says whether it is needed; of Linux 5.17. Architectures number later ones alike.
const LAST: i64 = libc::SYS_set_mempolicy_home_node;
/// From here on numbers mean calls by another convention, x32.
const OTHER_CONVENTION: u32 = 0x4000_0000;

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
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Who is served first, and where.
    libc::SYS_setpriority,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setaffinity,
    libc::SYS_ioprio_set,
    // What processes share by a name.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Memory and disks that others wait for.
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mlockall,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_sync_file_range,
    // The network. What is bound already goes on to take connections.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    // What a file is, beside its bytes.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
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
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
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
    libc::SYS_quotactl_fd,
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
    libc::SYS_io_setup,
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
/// Commands of `fcntl` that concern a descriptor alone, or ask about locks.
const COMMANDS: &[i32] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETLK,
    libc::F_OFD_GETLK,
];
/// Those that take a lock.
const LOCKING: &[i32] = &[libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
/// Requests of `ioctl` that concern a descriptor alone, or ask about a terminal.
#[expect(clippy::as_conversions, reason = "32 bits, whatever type a C library gives them")]
const REQUESTS: &[u32] = &[
    libc::FIONBIO as u32,
    libc::FIONREAD as u32,
    libc::FIOCLEX as u32,
    libc::FIONCLEX as u32,
    libc::TCGETS as u32,
    libc::TCGETS2 as u32,
    libc::TIOCGWINSZ as u32,
];
/// Both ends of such a pair are the process's own, and stay with each other. A runtime wakes itself by one.
const PAIRS: &[i32] =
    &[libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK];
/// Calls that send, and which of their arguments are the flags.
const SENDING: &[(i64, u8)] = &[(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)];

/// What only who keeps files does.
const NOT_WHILE_READING: &[i64] = &[
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
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

/// Refuses this thread the calls that it does not need, with `EPERM`; to later ones it gets `ENOSYS`.
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
    let locking = if is_playing { LOCKING } else { &[] };
    refused.insert(libc::SYS_fcntl, vec![none_of(1, COMMANDS.iter().chain(locking))?]);
    refused.insert(libc::SYS_ioctl, vec![none_of(1, REQUESTS)?]);
    refused.insert(libc::SYS_socketpair, vec![none_of(0, &[libc::AF_UNIX])?, none_of(1, PAIRS)?]);
    for (call, flags) in SENDING {
        // To send so is to connect.
        refused.insert(*call, vec![with_bits(*flags, libc::MSG_FASTOPEN, libc::MSG_FASTOPEN)?]);
    }
    // The broker would have to read them again.
    refused.insert(libc::SYS_fadvise64, vec![rule(3, Eq, libc::POSIX_FADV_DONTNEED)?]);
    refused.insert(libc::SYS_prctl, vec![rule(0, Eq, libc::PR_SCHED_CORE)?]);
    // What a process does to itself: it reads what it mapped, and signals itself to end.
    refused.insert(libc::SYS_prlimit64, vec![rule(0, Ne, 0)?]);
    for call in [libc::SYS_process_vm_readv, libc::SYS_tgkill] {
        refused.insert(call, vec![rule(0, Ne, std::process::id())?]);
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let listed = SeccompFilter::new(refused, SeccompAction::Allow, errno(libc::EPERM), arch)?;
    Ok([beyond_the_list(), listed.try_into()?].concat())
}

/// Answers whatever the list cannot name, and hands on the rest to what follows.
fn beyond_the_list() -> BpfProgram {
    let step =
        |code: u32, k: u32, jf: u8| sock_filter { code: u16::try_from(code).unwrap_or(0), jt: 0, jf, k };
    let unless_from = |number| step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, number, 1);
    let answer = |error| step(libc::BPF_RET | libc::BPF_K, errno(error).into(), 0);
    vec![
        // The number of the call is what comes first.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        unless_from(OTHER_CONVENTION),
        answer(libc::EPERM),
        unless_from(u32::try_from(LAST + 1).unwrap_or(0)),
        answer(libc::ENOSYS),
    ]
}

fn errno(error: i32) -> SeccompAction {
    SeccompAction::Errno(error.unsigned_abs())
}

/// Opening a file for more than reading it.
fn opening_for_more(argument: u8) -> Result<Vec<SeccompRule>, BackendError> {
    Ok(vec![
        with_bits(argument, libc::O_ACCMODE, libc::O_WRONLY)?,
        with_bits(argument, libc::O_ACCMODE, libc::O_RDWR)?,
        with_bits(argument, libc::O_CREAT, libc::O_CREAT)?,
        with_bits(argument, libc::O_TRUNC, libc::O_TRUNC)?,
    ])
}

fn with_bits(argument: u8, mask: i32, value: i32) -> Result<SeccompRule, BackendError> {
    rule(argument, MaskedEq(mask.unsigned_abs().into()), value)
}

fn none_of<'a, T>(argument: u8, values: impl IntoIterator<Item = &'a T>) -> Result<SeccompRule, BackendError>
where
    T: Copy + TryInto<u64> + 'a,
{
    SeccompRule::new(
        values.into_iter().map(|value| condition(argument, Ne, *value)).collect::<Result<_, _>>()?,
    )
}

fn rule(argument: u8, is: SeccompCmpOp, value: impl TryInto<u64>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition(argument, is, value)?])
}

fn condition(
    argument: u8,
    is: SeccompCmpOp,
    value: impl TryInto<u64>,
) -> Result<SeccompCondition, BackendError> {
    // Constants and process ids are never negative.
    SeccompCondition::new(argument, Dword, is, value.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// What the kernel says to a call: an error, or nothing where it goes through.
    fn answer(program: &BpfProgram, call: i64, arguments: &[u64]) -> Option<i32> {
        let machine = match std::env::consts::ARCH {
            "x86_64" => 62,
            "aarch64" => 183,
            _ => 243,
        };
        let low = |wide: u64| u32::try_from(wide & 0xffff_ffff).unwrap();
        let mut words = vec![u32::try_from(call).unwrap(), 0xc000_0000 | machine, 0, 0];
        words.extend(arguments.iter().flat_map(|argument| [low(*argument), low(*argument >> 32)]));
        words.resize(16, 0);
        let (mut at, mut held) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            let far = usize::try_from(k).unwrap();
            at += 1;
            match code {
                0x05 => at += far,
                0x06 => return (k != 0x7fff_0000).then(|| i32::try_from(k - 0x0005_0000).unwrap()),
                0x15 => at += usize::from(if held == k { jt } else { jf }),
                0x20 => held = words[far / 4],
                0x25 => at += usize::from(if held > k { jt } else { jf }),
                0x35 => at += usize::from(if held >= k { jt } else { jf }),
                0x54 => held &= k,
                _ => panic!("{code:#x} is no step of such a program"),
            }
        }
    }

    fn programs() -> [BpfProgram; 3] {
        let dir = PathBuf::from("/state");
        [Writes::Nowhere, Writes::State(dir.clone()), Writes::Play(dir)]
            .map(|writes| program(&writes).unwrap())
    }

    fn wide(value: impl TryInto<u64>) -> u64 {
        value.try_into().ok().unwrap()
    }

    #[test]
    fn calls_that_came_later_do_not_exist_and_those_of_x32_are_refused() {
        // Among them fchmodat2 (452), setxattrat (463), removexattrat (466), open_tree_attr (467) and file_setattr (469).
        let later = (LAST + 1..600).chain([i64::from(OTHER_CONVENTION) - 1]);
        let x32 = [0, 39, 520, 0x3fff_ffff].map(|call| i64::from(OTHER_CONVENTION) + call);
        for program in programs() {
            for call in later.clone() {
                assert_eq!(answer(&program, call, &[]), Some(libc::ENOSYS), "{call}");
            }
            for call in x32 {
                assert_eq!(answer(&program, call, &[]), Some(libc::EPERM), "{call:#x}");
            }
            assert_eq!(answer(&program, LAST, &[]), None);
        }
    }

    #[test]
    fn what_reaches_other_processes_or_their_files_is_refused_whoever_writes() {
        const FS_IOC_SETFLAGS: u64 = 0x4008_6602;
        const FS_IOC_FSSETXATTR: u64 = 0x401c_5820;
        const FICLONE: u64 = 0x4004_9409;
        const TIOCSTI: u64 = 0x5412;
        let other = u64::from(std::process::id()) + 1;
        let mut calls: Vec<(i64, Vec<u64>)> =
            NEVER.iter().chain(NEVER_OLD).map(|call| (*call, vec![])).collect();
        for request in [FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FICLONE, TIOCSTI, 0] {
            calls.push((libc::SYS_ioctl, vec![3, request]));
        }
        // The last ones are F_SETSIG, F_SETOWN_EX and F_SET_RW_HINT.
        for command in [libc::F_SETOWN, libc::F_NOTIFY, libc::F_SETLEASE, 10, 15, 1036] {
            calls.push((libc::SYS_fcntl, vec![3, wide(command)]));
        }
        for call in [libc::SYS_prlimit64, libc::SYS_process_vm_readv, libc::SYS_tgkill] {
            calls.push((call, vec![other]));
        }
        let (fast_open, stream) = (wide(libc::MSG_FASTOPEN), wide(libc::SOCK_STREAM | libc::SOCK_CLOEXEC));
        calls.extend([
            (libc::SYS_socketpair, vec![wide(libc::AF_UNIX), wide(libc::SOCK_DGRAM | libc::SOCK_CLOEXEC)]),
            (libc::SYS_socketpair, vec![wide(libc::AF_INET), stream]),
            (libc::SYS_sendto, vec![3, 0, 0, fast_open | 0x4000]),
            (libc::SYS_sendmsg, vec![3, 0, fast_open]),
            (libc::SYS_sendmmsg, vec![3, 0, 0, fast_open]),
            (libc::SYS_fadvise64, vec![3, 0, 0, wide(libc::POSIX_FADV_DONTNEED)]),
            (libc::SYS_prctl, vec![wide(libc::PR_SCHED_CORE), 1, other]),
        ]);
        for program in programs() {
            for (call, arguments) in &calls {
                assert_eq!(answer(&program, *call, arguments), Some(libc::EPERM), "{call} {arguments:?}");
            }
        }
    }

    #[test]
    fn what_concerns_the_process_alone_goes_through() {
        let own = u64::from(std::process::id());
        // A library may leave anything above the 32 bits that the kernel looks at.
        let above = 1 << 32;
        let mut calls: Vec<(i64, Vec<u64>)> = vec![
            (libc::SYS_read, vec![3]),
            (libc::SYS_prlimit64, vec![0, 7]),
            (libc::SYS_process_vm_readv, vec![own]),
            (libc::SYS_tgkill, vec![own | above, own, 6]),
            (libc::SYS_sendto, vec![3, 0, 0, wide(libc::MSG_NOSIGNAL)]),
            (libc::SYS_fadvise64, vec![3, 0, 0, wide(libc::POSIX_FADV_RANDOM)]),
            (libc::SYS_prctl, vec![wide(libc::PR_SET_NAME)]),
            (libc::SYS_fcntl, vec![3, wide(libc::F_OFD_GETLK)]),
            (libc::SYS_openat, vec![3, 0, wide(libc::O_CLOEXEC)]),
        ];
        calls.extend(PAIRS.iter().map(|pair| (libc::SYS_socketpair, vec![wide(libc::AF_UNIX), wide(*pair)])));
        calls.extend(REQUESTS.iter().map(|request| (libc::SYS_ioctl, vec![3, u64::from(*request)])));
        for program in programs() {
            for (call, arguments) in &calls {
                assert_eq!(answer(&program, *call, arguments), None, "{call} {arguments:?}");
            }
        }
    }

    #[test]
    fn locks_are_taken_by_who_plays_and_files_are_synced_by_who_writes() {
        let lock = [3, wide(libc::F_OFD_SETLK)];
        let says = |call, arguments: &[u64]| programs().map(|program| answer(&program, call, arguments));
        assert_eq!(says(libc::SYS_fcntl, &lock), [Some(libc::EPERM), Some(libc::EPERM), None]);
        assert_eq!(says(libc::SYS_fdatasync, &[3]), [Some(libc::EPERM), None, None]);
    }
}
