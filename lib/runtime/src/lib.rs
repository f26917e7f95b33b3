//! An OCI runtime: configuration to plan to process; cgroups, seccomp, capabilities, mounts, exec.
