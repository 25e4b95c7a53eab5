//! Spawning, with real processes.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::*;

fn shell(script: &str, deadline: Duration) -> Tool {
    Tool { program: Program::new("sh").arguments(["-c", script]), deadline }
}

/// Whether a process exists and is not a zombie.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

async fn gone(pid: &str) -> bool {
    for _ in 0..200 {
        if !lives(pid) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn output_status_and_lines() {
    let mut lines = Vec::new();
    let tool = shell("echo one; echo two >&2; printf three; exit 7", Duration::from_secs(10));
    let output = run(tool, |line| lines.push(line.to_owned())).await.unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("one\nthree", "two\n"));
    assert_eq!(output.status.code(), Some(7));
    lines.sort();
    assert_eq!(lines, ["one", "three", "two"]);
}

#[tokio::test]
async fn variables_and_directory() {
    let folder = tempfile::tempdir().unwrap();
    let mut tool = shell("printf '%s|%s|' \"$ADDED\" \"$HOME\"; pwd -P", Duration::from_secs(10));
    tool.program = tool.program.variables([Variable::set("ADDED", "yes"), Variable::remove("HOME")]).directory(folder.path());
    let output = run(tool, |_| {}).await.unwrap();
    assert_eq!(output.stdout.trim_end(), format!("yes||{}", folder.path().canonicalize().unwrap().display()));
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let tool = Tool { program: Program::new("no-such-program-here"), deadline: Duration::from_secs(1) };
    let error = run(tool, |_| {}).await.unwrap_err();
    assert!(matches!(error, RunError::Start { .. }));
    assert!(error.to_string().contains("`no-such-program-here`"), "{error}");
}

#[tokio::test]
async fn the_deadline_kills_the_group() {
    let begin = Instant::now();
    let mut pid = String::new();
    let tool = shell("sleep 60 & echo $!; wait", Duration::from_millis(300));
    let error = run(tool, |line| pid = line.to_owned()).await.unwrap_err();
    assert!(matches!(error, RunError::Deadline { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(gone(&pid).await, "grandchild {pid} lives on");
}

#[tokio::test]
async fn a_dropped_future_kills_the_group() {
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let tool = shell("sleep 60 & echo $!; echo $$; wait", Duration::from_secs(60));
        run(tool, move |line| sender.send(line.to_owned()).unwrap()).await
    });
    let pids = [lines.recv().await.unwrap(), lines.recv().await.unwrap()];
    task.abort();
    for pid in &pids {
        assert!(gone(pid).await, "{pid} lives on");
    }
}

#[tokio::test]
async fn left_overs_do_not_hold_up_the_end() {
    let begin = Instant::now();
    let output = run(shell("sleep 60 & echo $!", Duration::from_secs(30)), |_| {}).await.unwrap();
    assert!(output.status.success());
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(gone(&output.stdout).await);
}

#[tokio::test]
async fn much_output_is_read_to_the_end() {
    let tool = shell(
        "i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done",
        Duration::from_secs(60),
    );
    let output = run(tool, |_| {}).await.unwrap();
    assert_eq!(output.stdout.len(), 20_000 * 41);
}

#[tokio::test]
async fn a_started_process_reads_its_descriptor_and_is_waited_for() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let program = Program::new("sh").arguments(["-c", "read line; exit \"$line\""]);
    let process = start_with_stdin(program, theirs.into(), Target::Null, Target::Null).await.unwrap();
    assert!(lives(&process.pid().to_string()));
    rustix::io::write(ours.as_fd(), b"5\n").unwrap();
    assert_eq!(process.wait().await.unwrap().code(), Some(5));
    assert_eq!(process.wait().await.unwrap().code(), Some(5));
}

#[tokio::test]
async fn dropping_a_started_process_kills_and_reaps_it() {
    let (_ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let process =
        start_with_stdin(Program::new("sleep").arguments(["60"]), theirs.into(), Target::Null, Target::Null).await.unwrap();
    let stat = format!("/proc/{}", process.pid());
    drop(process);
    for _ in 0..200 {
        if !std::path::Path::new(&stat).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not reaped");
}

#[test]
fn a_process_outlives_the_runtime_that_asked_for_it() {
    let (_ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let first = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let process = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                first.block_on(start_with_stdin(
                    Program::new("sleep").arguments(["60"]),
                    theirs.into(),
                    Target::Null,
                    Target::Null,
                ))
            })
            .join()
            .unwrap()
            .unwrap()
    });
    std::thread::sleep(Duration::from_millis(100));
    assert!(lives(&process.pid().to_string()), "the death signal came when the asking thread ended");
    drop(process);
    drop(first);
}
