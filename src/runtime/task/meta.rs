//! The settings with which a green thread was made; most have none.
#![forbid(unsafe_code)]

use crate::stack::StackSize;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Meta {
    pub(crate) name: Option<Box<str>>,
    pub(crate) stack_size: Option<StackSize>,
    pub(crate) heritage: Option<Arc<Heritage>>,
    /// The time before which it does not start.
    pub(crate) start_at: Option<Instant>,
    /// Its place among its hub's tasks that are to start later. Only the hub uses it.
    pub(crate) delayed_place: AtomicU32,
    /// Whether it must stay on the OS thread that made it, as its body is not `Send`.
    pub(crate) local: bool,
}

/// The settings that its children inherit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heritage {
    pub(crate) daemon: bool,
    /// Keys and values. Each key is there once; they are in the order in which they were first set.
    pub(crate) labels: Vec<(Box<str>, Box<str>)>,
}

impl Heritage {
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(own, _)| **own == *key).map(|(_, value)| &**value)
    }

    pub(crate) fn set_label(&mut self, key: String, value: String) {
        match self.labels.iter_mut().find(|(own, _)| **own == *key) {
            Some((_, old)) => *old = value.into(),
            None => self.labels.push((key.into(), value.into())),
        }
    }
}
