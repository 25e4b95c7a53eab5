//! Hosts that are not ours: another version, garbage, silence. Each is a short script in the place of the worker host.

use std::path::Path;
use std::time::Duration;

use pegboard_engine::zygote::{Zygote, ZygoteOptions};
use pegboard_model::{Failure, FailureKind};
use pegboard_protocol::PROTOCOL;

use super::world::{World, zygote_options};

/// A zygote that parks and forks like ours; `become_worker` is what its children do.
const HOST: &str = r#"
import array, json, os, signal, socket, struct, sys, time

def send(channel, message, descriptors=()):
    header = json.dumps(message).encode()
    frame = struct.pack("<III", 0x31424750, len(header), 0) + header
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    channel.sendmsg([frame], rights)

def receive(channel):
    data, ancillary, _, _ = channel.recvmsg(1 << 16, 4096)
    if not data:
        os._exit(0)
    numbers = array.array("i")
    for _, _, content in ancillary:
        numbers.frombytes(content)
    _, length, _ = struct.unpack_from("<III", data)
    return json.loads(data[12:12 + length]), list(numbers)

def hello(control, major=1):
    send(control, {"type": "hello", "protocol": {"major": major, "minor": 7}, "features": ["something-new"],
                   "process_id": os.getpid(), "python": "3", "stack_signal": 0})

parent = socket.socket(fileno=os.dup(0))
@BEFORE@
send(parent, {"type": "parked", "protocol": {"major": @MAJOR@, "minor": 0}, "python": "3", "python_threads": 0,
              "imported": [], "failed": [], "seconds": 0})
while True:
    message, descriptors = receive(parent)
    child = os.fork()
    if child == 0:
        os.setsid()
        control, data = (socket.socket(fileno=number) for number in descriptors[:2])
        @WORKER@
        time.sleep(60)
        os._exit(0)
    for number in descriptors:
        os.close(number)
    handle = os.pidfd_open(child)
    send(parent, {"type": "forked", "request": message["request"], "process_id": child, "descriptors": 1}, [handle])
    os.close(handle)
"#;

fn host(folder: &Path, before: &str, major: u32, worker: &str) -> ZygoteOptions {
    let script = HOST.replace("@BEFORE@", before).replace("@MAJOR@", &major.to_string()).replace("@WORKER@", worker);
    let package = folder.join("host/pegboard");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("__main__.py"), script).unwrap();
    ZygoteOptions { host: folder.join("host"), start_deadline: Duration::from_secs(5), ..zygote_options(folder) }
}

async fn start(worker: &str) -> Failure {
    let folder = tempfile::tempdir().unwrap();
    let options = host(folder.path(), "", 1, worker);
    let world = World::with(|own| *own = options, 1 << 20).await;
    let failure = world.try_worker(|options| options.load_deadline = Duration::from_secs(2)).await.unwrap_err();
    let process = world.states.lock().unwrap().last().unwrap().process_id.unwrap();
    world.nothing_left_of(process).await;
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_another_version_is_refused_with_both_versions() {
    let failure = start("hello(control, 9)").await;
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.message.contains("9.7") && failure.message.contains(&PROTOCOL.to_string()), "{failure:?}");
    assert!(failure.hint.unwrap().contains("host"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_speak_the_protocol_is_refused() {
    for (worker, kind, words) in [
        ("control.send(b'HTTP/1.1 200 OK' * 9)", FailureKind::Protocol, "no frame begins here"),
        ("send(control, {'type': 'pong', 'sequence': 1, 'mapped_bytes': 0})", FailureKind::Protocol, "Pong"),
        ("send(control, {'type': 'unheard-of'})", FailureKind::Protocol, "unreadable"),
        ("control.send(b'PGB1'); control.close(); data.close()", FailureKind::Protocol, "middle of a frame"),
        ("control.close(); data.close()", FailureKind::Protocol, "closed"),
        ("os._exit(5)", FailureKind::Died, "has died"),
        ("pass", FailureKind::Deadline, "2s"),
        ("hello(control); receive(data); data.send(b'what now? ' * 9)", FailureKind::Protocol, "no frame begins here"),
        ("hello(control); receive(data); send(data, {'type': 'items', 'call': 4, 'first': 0})", FailureKind::Protocol, "Items"),
        ("hello(control); receive(data)", FailureKind::Deadline, "2s"),
        ("hello(control); control.close()", FailureKind::Protocol, "control"),
    ] {
        let failure = start(worker).await;
        assert_eq!(failure.kind, kind, "{worker}: {failure:?}");
        assert!(failure.message.contains(words), "{worker}: {failure:?}");
        assert!(failure.hint.is_some(), "{worker}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zygote_that_does_not_park_is_told_with_its_words() {
    for (before, major, kind, words) in [
        ("", 3, FailureKind::Protocol, "3.0"),
        ("print('no luck today', file=sys.stderr); sys.exit(4)", 1, FailureKind::Unavailable, "no luck today"),
        ("parent.send(b'x' * 100)", 1, FailureKind::Unavailable, "no frame begins here"),
        ("time.sleep(60)", 1, FailureKind::Unavailable, "not ready"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let failure = Zygote::start(host(folder.path(), before, major, "")).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure:?}");
        let text = format!("{} {}", failure.message, failure.traceback.unwrap_or_default());
        assert!(text.contains(words), "{text}");
        assert!(failure.hint.is_some());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut options = zygote_options(folder.path());
    options.python = folder.path().join("no-such-python");
    let failure = Zygote::start(options).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.contains("no-such-python"));
}
