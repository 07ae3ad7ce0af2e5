//! Green threads as their users see them.

mod basics;
mod builder;
mod enumerate;
mod later;
mod link;
mod local;
mod uncaught;
mod wait;
mod worker_stack;
