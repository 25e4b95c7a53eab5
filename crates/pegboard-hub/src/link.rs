//! One connection, without its transport: text and binary frames in, frames out, the rest goes to the hub.
//!
//! Invariant: what one connection sends is handled in the order in which it was sent. Whoever owns the socket calls
//! [`Link::receive`] for each frame and sends what [`Link::outgoing`] gives.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::SystemTime;

use bytes::Bytes;
use pegboard_model::HubId;
use serde_json::Value as Json;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::hub::Hub;
use crate::wire::event::{Heartbeat, Line, Progress, Response, attach};
use crate::wire::packet::{self, Message, NAMESPACE, Packet};

/// Acknowledgements that may be open; more sessions are not sent at once.
const OPEN_ACKS: usize = 1024;

/// What the hub wants done with a connection.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send this run.
    Run {
        /// Its session.
        session: HubId,
        /// The payload: text of a JSON object.
        payload: String,
    },
    /// Tell a client of our own something; the others ignore such events.
    Tell {
        /// `welcome`, `refused` or `cancel`.
        name: &'static str,
        /// Text of a JSON object.
        payload: String,
    },
    /// Close: nobody knows who it is.
    Close,
}

/// Why a connection cannot go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The client said so, or the hub.
    Asked,
    /// The client broke the protocol; how.
    Broken(String),
    /// A message was larger than what is taken.
    TooLarge,
    /// The transport ended.
    Lost,
}

/// Our end of one connection. Dropping it tells the hub that it is gone.
pub struct Link {
    hub: Hub,
    number: u64,
    orders: mpsc::UnboundedReceiver<Order>,
    is_in: bool,
    next_ack: u64,
    acks: HashMap<u64, HubId>,
    partial: Option<(Message, Vec<Bytes>)>,
    received_at: SystemTime,
    ending: Ending,
}

impl Link {
    pub(crate) fn new(hub: Hub, number: u64, orders: mpsc::UnboundedReceiver<Order>) -> Self {
        let received_at = SystemTime::now();
        Self {
            hub,
            number,
            orders,
            is_in: false,
            next_ack: 0,
            acks: HashMap::new(),
            partial: None,
            received_at,
            ending: Ending::Lost,
        }
    }

    /// Handles one text frame; frames to send in answer go to `out`.
    ///
    /// # Errors
    /// How the connection ends.
    pub fn receive(&mut self, frame: &str, out: &mut Vec<String>) -> Result<(), Ending> {
        self.received_at = SystemTime::now();
        if self.partial.is_some() {
            return Err(self.end(Ending::Broken("a text frame in place of an attachment".to_owned())));
        }
        match packet::parse(frame) {
            Ok(Packet::Close) => Err(self.end(Ending::Asked)),
            Ok(Packet::Ping(text)) => {
                out.push(packet::pong(&text));
                Ok(())
            }
            Ok(Packet::Connect { namespace }) if namespace == NAMESPACE => {
                self.is_in = true;
                out.push(packet::connected(NAMESPACE, &Uuid::new_v4().simple().to_string()));
                Ok(())
            }
            Ok(Packet::Connect { namespace }) if namespace == "/" => {
                // Old clients enter the root on their way.
                out.push(packet::connected("/", &Uuid::new_v4().simple().to_string()));
                Ok(())
            }
            Ok(Packet::Connect { namespace }) => {
                out.push(packet::refused(&namespace));
                Ok(())
            }
            Ok(Packet::Disconnect { namespace }) => {
                if namespace == NAMESPACE {
                    Err(self.end(Ending::Asked))
                } else {
                    Ok(())
                }
            }
            Ok(Packet::Message(message)) if message.attachments > 0 => {
                self.partial = Some((message, Vec::new()));
                Ok(())
            }
            Ok(Packet::Message(message)) => {
                self.message(message, out);
                Ok(())
            }
            Ok(Packet::Pong | Packet::Upgrade | Packet::Noop) => Ok(()),
            Err(reason) => Err(self.end(Ending::Broken(reason))),
        }
    }

    /// Handles one binary frame: an attachment.
    ///
    /// # Errors
    /// How the connection ends.
    pub fn receive_binary(&mut self, bytes: Bytes, out: &mut Vec<String>) -> Result<(), Ending> {
        self.received_at = SystemTime::now();
        let Some((message, attachments)) = &mut self.partial else {
            return Err(self.end(Ending::Broken("an attachment of nothing".to_owned())));
        };
        attachments.push(bytes);
        if attachments.len() == message.attachments
            && let Some((mut message, attachments)) = self.partial.take()
        {
            message.items.iter_mut().for_each(|item| attach(item, &attachments));
            self.message(message, out);
        }
        Ok(())
    }

    /// The next frame to send; waits for one. An error: the hub wants the connection closed.
    ///
    /// # Errors
    /// How the connection ends.
    pub async fn outgoing(&mut self) -> Result<String, Ending> {
        let order = self.orders.recv().await;
        self.frame(order)
    }

    fn frame(&mut self, order: Option<Order>) -> Result<String, Ending> {
        match order {
            Some(Order::Run { session, payload }) => {
                self.next_ack += 1;
                if self.acks.len() < OPEN_ACKS {
                    self.acks.insert(self.next_ack, session);
                }
                Ok(packet::event("plugin", self.next_ack, &payload))
            }
            Some(Order::Tell { name, payload }) => Ok(packet::notice(name, &payload)),
            Some(Order::Close) | None => Err(self.end(Ending::Asked)),
        }
    }

    /// The next frame to send, if there is one now.
    ///
    /// # Errors
    /// How the connection ends.
    pub fn outgoing_now(&mut self) -> Result<Option<String>, Ending> {
        match self.orders.try_recv() {
            Ok(order) => self.frame(Some(order)).map(Some),
            Err(mpsc::error::TryRecvError::Empty) => Ok(None),
            Err(mpsc::error::TryRecvError::Disconnected) => self.frame(None).map(Some),
        }
    }

    /// The transport says how it ended; kept for the hub.
    pub fn end(&mut self, ending: Ending) -> Ending {
        self.ending = ending.clone();
        ending
    }

    fn message(&mut self, message: Message, out: &mut Vec<String>) {
        if message.namespace != NAMESPACE || !self.is_in {
            return;
        }
        let mut items = message.items.into_iter();
        if message.is_ack {
            if let Some(session) = message.id.and_then(|id| self.acks.remove(&id)) {
                self.acknowledged(session, items.next());
            }
            return;
        }
        let name = items.next();
        let payload = items.next().unwrap_or(Json::Null);
        match name.as_ref().and_then(Json::as_str) {
            Some("heartbeat") => self.hub.heartbeat(self.number, Heartbeat::read(&payload)),
            Some("log") => {
                if let Some(line) = Line::read(payload) {
                    self.hub.line(self.number, line);
                }
            }
            Some("response") => {
                if let Some(response) = Response::read(payload) {
                    self.hub.response(self.number, response);
                }
            }
            Some("progress") => {
                if let Some(said) = Progress::read(&payload) {
                    self.hub.progress(self.number, said);
                }
            }
            _ => {}
        }
        if let Some(id) = message.id {
            out.push(packet::acknowledged(NAMESPACE, id));
        }
    }

    /// Some releases answer in the acknowledgement (2.5); an empty one says that the handler has ended.
    fn acknowledged(&self, session: HubId, answer: Option<Json>) {
        match answer.and_then(Response::read) {
            Some(mut response) => {
                response.session = response.session.or(Some(session));
                self.hub.response_in_ack(self.number, response);
            }
            None => self.hub.handled(self.number, session),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.hub.left(self.number, self.received_at.into(), &self.ending);
    }
}

impl Hub {
    /// A connection was accepted from this address. Who it is comes with its first heartbeat.
    #[must_use]
    pub fn connect(&self, address: IpAddr) -> Link {
        let (sender, orders) = mpsc::unbounded_channel();
        let number = self.arrived(address, sender);
        Link::new(self.clone(), number, orders)
    }
}
