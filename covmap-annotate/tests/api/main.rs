//! The server from outside, over its sockets.

mod limits;
mod place;
mod reading;
