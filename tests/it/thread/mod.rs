//! Green threads as their users see them.

mod basics;
mod link;
mod uncaught;
mod wait;
