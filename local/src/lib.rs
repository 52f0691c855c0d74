//! Magpie on one machine, as a library: the simulated WeChat that tests use too.

pub mod simulator;
