//! Socket.IO over long polling, for clients that begin with it and upgrade (Ango specification, 2.1).
//!
//! A GET waits for frames, a POST brings some; several go in one body with `0x1e` between them. After the upgrade the WebSocket
//! has the link and the polls are over.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pegboard_hub::Link;
use pegboard_hub::wire::packet;
use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

use super::socket::{milliseconds, send, serve, sized};
use super::{PATIENCE, PING_INTERVAL, PING_TIMEOUT, SocketParameters, check, wrong};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::Parameters;

/// How often a waiting GET looks whether the hub has something to send.
const LOOK: Duration = Duration::from_millis(40);
/// Connections that poll at once.
const MOST: usize = 4096;

/// Connections that poll, by their session id.
#[derive(Clone, Default)]
pub(crate) struct Polls(Arc<Mutex<HashMap<String, Arc<Poll>>>>);

struct Poll {
    link: Mutex<Option<Link>>,
    out: Mutex<Vec<String>>,
    wake: Notify,
    seen: Mutex<Instant>,
    pinged: Mutex<Instant>,
}

impl Polls {
    fn find(&self, sid: &str) -> Result<Arc<Poll>, ApiError> {
        let poll = lock(&self.0).get(sid).cloned().ok_or_else(|| wrong("its session id is unknown"))?;
        *lock(&poll.seen) = Instant::now();
        Ok(poll)
    }

    fn remove(&self, sid: &str) -> Option<Arc<Poll>> {
        lock(&self.0).remove(sid)
    }
}

/// Opens a connection: the answer is its open packet.
pub(super) fn begin(app: App, address: IpAddr) -> Response {
    let sid = Uuid::new_v4().simple().to_string();
    let limit = app.hub.message_limit();
    let open = packet::open(&sid, &["websocket"], milliseconds(PING_INTERVAL), milliseconds(PING_TIMEOUT), limit);
    if lock(&app.polls.0).len() >= MOST {
        return wrong("too many clients poll").into_response();
    }
    let poll = Poll {
        link: Mutex::new(Some(app.hub.connect(address))),
        out: Mutex::default(),
        wake: Notify::new(),
        seen: Mutex::new(Instant::now()),
        pinged: Mutex::new(Instant::now()),
    };
    lock(&app.polls.0).insert(sid.clone(), Arc::new(poll));
    tokio::spawn(expire(app.polls.clone(), sid));
    text(open)
}

/// A client that does not come back is gone.
async fn expire(polls: Polls, sid: String) {
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        let Some(poll) = lock(&polls.0).get(&sid).cloned() else { return };
        if lock(&poll.seen).elapsed() > PATIENCE {
            polls.remove(&sid);
            lock(&poll.link).take();
            return;
        }
    }
}

/// Waits for frames.
pub(super) async fn get(app: App, sid: &str) -> Result<Response, ApiError> {
    let poll = app.polls.find(sid)?;
    loop {
        let mut frames = std::mem::take(&mut *lock(&poll.out));
        let is_over = {
            let mut link = lock(&poll.link);
            match link.as_mut().map(Link::outgoing_now) {
                Some(Ok(Some(frame))) => {
                    frames.push(frame);
                    false
                }
                Some(Ok(None)) => false,
                // Upgraded, or ended: the last poll gets a packet that means nothing, or the end.
                Some(Err(_)) => {
                    frames.push("1".to_owned());
                    true
                }
                None => {
                    frames.push("6".to_owned());
                    true
                }
            }
        };
        if is_over {
            app.polls.remove(sid);
            lock(&poll.link).take();
        } else if lock(&poll.pinged).elapsed() > PING_INTERVAL {
            *lock(&poll.pinged) = Instant::now();
            frames.push(packet::PING.to_owned());
        }
        *lock(&poll.seen) = Instant::now();
        if app.shutdown.has_begun() && frames.is_empty() {
            // An orderly stop does not wait for a poll; the client comes back.
            frames.push("6".to_owned());
        }
        if !frames.is_empty() {
            return Ok(text(frames.join("\u{1e}")));
        }
        let _ = timeout(LOOK, poll.wake.notified()).await;
    }
}

/// Takes frames.
pub(super) async fn post(
    State(app): State<App>,
    Parameters(parameters): Parameters<SocketParameters>,
    body: Bytes,
) -> Result<Response, ApiError> {
    check(&parameters)?;
    let sid = parameters.sid.unwrap_or_default();
    let poll = app.polls.find(&sid)?;
    let body = std::str::from_utf8(&body).map_err(|_| wrong("its body is not UTF-8"))?;
    let mut answers = Vec::new();
    for frame in body.split('\u{1e}') {
        let mut link = lock(&poll.link);
        let Some(open) = link.as_mut() else { break };
        let taken = match frame.strip_prefix('b') {
            Some(encoded) => {
                let bytes = STANDARD.decode(encoded).map_err(|_| wrong("an attachment is no base64"))?;
                open.receive_binary(bytes.into(), &mut answers)
            }
            None => open.receive(frame, &mut answers),
        };
        if taken.is_err() {
            link.take();
            app.polls.remove(&sid);
            break;
        }
    }
    lock(&poll.out).extend(answers);
    poll.wake.notify_one();
    Ok(text("ok".to_owned()))
}

/// The client moves to a WebSocket: it probes, we answer, it says that it has moved.
pub(super) fn upgrade(app: App, upgrade: WebSocketUpgrade, sid: &str) -> Result<Response, ApiError> {
    let (poll, sid) = (app.polls.find(sid)?, sid.to_owned());
    Ok(sized(upgrade, app.hub.message_limit()).on_upgrade(move |mut socket| async move {
        while let Ok(Some(Ok(message))) = timeout(PATIENCE, socket.recv()).await {
            match message {
                Message::Text(frame) if frame.starts_with('2') => {
                    if send(&mut socket, packet::pong(&frame[1..])).await.is_err() {
                        return;
                    }
                    // Ends the GET that waits, so that the client can say that it has moved.
                    lock(&poll.out).push("6".to_owned());
                    poll.wake.notify_one();
                }
                Message::Text(frame) if frame.as_str() == "5" => break,
                Message::Ping(_) | Message::Pong(_) => {}
                _ => return,
            }
        }
        app.polls.remove(&sid);
        let Some(link) = lock(&poll.link).take() else { return };
        let waiting: Vec<String> = std::mem::take(&mut *lock(&poll.out));
        for frame in waiting.into_iter().filter(|frame| frame != "6") {
            if send(&mut socket, frame).await.is_err() {
                return;
            }
        }
        drop(app);
        serve(socket, link).await;
    }))
}

fn text(body: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=UTF-8")], body).into_response()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
