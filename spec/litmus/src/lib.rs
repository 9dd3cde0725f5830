//! The orders that spec/LAYOUT.md demands, each step as C has it, and each without one
//! of its orders: then loom must find the failure. README.md names the limits of the tests.

#[cfg(test)]
mod cells;
#[cfg(test)]
mod overwrite;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod waiting;

/// The states of a slot word that the models need; owners are left out.
#[cfg(test)]
mod word {
    pub const fn free(lap: u64) -> u64 {
        lap << 8
    }
    pub const fn writing(lap: u64) -> u64 {
        lap << 8 | 1
    }
    pub const fn ready(lap: u64) -> u64 {
        lap << 8 | 2
    }
}
