//! One WebSocket: frames in and out of its link, pings, and the end.
//!
//! A connection costs one task. Its buffers are small, because ten thousand plugins that beat once a minute are the normal case.

use std::net::IpAddr;
use std::time::Instant;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use pegboard_hub::wire::packet;
use pegboard_hub::{Ending, Link};
use tokio::time::{Instant as Moment, interval_at, timeout};
use uuid::Uuid;

use super::{PATIENCE, PING_INTERVAL, PING_TIMEOUT};
use crate::app::App;

/// Bytes read from the socket at once.
const READ_BUFFER: usize = 1 << 10;
/// Messages handled in a row before others get their turn.
const IN_A_ROW: u32 = 64;

pub(super) fn accept(app: App, upgrade: WebSocketUpgrade, address: IpAddr) -> Response {
    sized(upgrade, app.hub.message_limit()).on_upgrade(move |mut socket| async move {
        let limit = app.hub.message_limit();
        let open = packet::open(
            &Uuid::new_v4().simple().to_string(),
            &[],
            milliseconds(PING_INTERVAL),
            milliseconds(PING_TIMEOUT),
            limit,
        );
        if send(&mut socket, open).await.is_ok() {
            let link = app.hub.connect(address);
            drop(app);
            serve(socket, link).await;
        }
    })
}

/// With our limits and buffers.
pub(super) fn sized(upgrade: WebSocketUpgrade, limit: usize) -> WebSocketUpgrade {
    upgrade.read_buffer_size(READ_BUFFER).write_buffer_size(0).max_message_size(limit).max_frame_size(limit)
}

pub(super) fn milliseconds(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Until either side ends it.
pub(super) async fn serve(mut socket: WebSocket, mut link: Link) {
    let mut ping = interval_at(Moment::now() + PING_INTERVAL, PING_INTERVAL);
    let (mut heard, mut in_a_row, mut answers) = (Instant::now(), 0_u32, Vec::new());
    loop {
        let carried = tokio::select! {
            message = socket.recv() => {
                heard = Instant::now();
                match message {
                    Some(Ok(message)) => receive(&mut link, message, &mut answers),
                    Some(Err(error)) => Err(link.end(ending(&error))),
                    None => Err(link.end(Ending::Lost)),
                }
            }
            frame = link.outgoing() => frame.map(|frame| answers.push(frame)),
            _ = ping.tick() => {
                if heard.elapsed() > PATIENCE {
                    Err(link.end(Ending::Lost))
                } else {
                    answers.push(packet::PING.to_owned());
                    Ok(())
                }
            }
        };
        let mut is_over = carried.is_err();
        for frame in answers.drain(..) {
            is_over |= send(&mut socket, frame).await.is_err();
        }
        if is_over {
            // The link goes first: who waits for its plugin is told before the client is.
            drop(link);
            let _ = timeout(PING_TIMEOUT, socket.send(Message::Close(None))).await;
            return;
        }
        in_a_row += 1;
        if in_a_row.is_multiple_of(IN_A_ROW) {
            tokio::task::yield_now().await;
        }
    }
}

fn receive(link: &mut Link, message: Message, answers: &mut Vec<String>) -> Result<(), Ending> {
    match message {
        Message::Text(text) => link.receive(&text, answers),
        Message::Binary(bytes) => link.receive_binary(bytes, answers),
        Message::Close(_) => Err(link.end(Ending::Asked)),
        Message::Ping(_) | Message::Pong(_) => Ok(()),
    }
}

/// A client that takes nothing for long is gone.
pub(super) async fn send(socket: &mut WebSocket, frame: String) -> Result<(), ()> {
    match timeout(PATIENCE, socket.send(Message::Text(frame.into()))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

/// The library's own kinds are behind a box; its words for a message over the limit are `Space limit exceeded: Message too long`.
fn ending(error: &axum::Error) -> Ending {
    if error.to_string().contains("too long") { Ending::TooLarge } else { Ending::Lost }
}
