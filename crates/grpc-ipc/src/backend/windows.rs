//! API that only Windows has.

pub use grpc_ipc_named_pipe::{ClientProcess, ImpersonationLevel, SecurityDescriptor};

use crate::{ConnectOptions, ListenOptions};

/// Options of named pipes. They have no effect on other addresses.
pub trait ListenOptionsExt: Sized + sealed::Sealed {
    /// Decides which users Windows allows to open the pipe. The access policy then decides about those. Default:
    /// [`SecurityDescriptor::current_user`].
    #[must_use = "options do nothing until a server listens with them"]
    fn descriptor(self, descriptor: SecurityDescriptor) -> Self;

    /// How many bytes Windows buffers in each direction until they are read. Default: 65536 (64 KiB).
    #[must_use = "options do nothing until a server listens with them"]
    fn buffer_size(self, bytes: u32) -> Self;
}

impl ListenOptionsExt for ListenOptions {
    fn descriptor(mut self, descriptor: SecurityDescriptor) -> Self {
        self.platform.pipe = self.platform.pipe.descriptor(descriptor);
        self
    }

    fn buffer_size(mut self, bytes: u32) -> Self {
        self.platform.pipe = self.platform.pipe.buffer_size(bytes);
        self
    }
}

/// Options of named pipes. They have no effect on other addresses.
pub trait ConnectOptionsExt: Sized + sealed::Sealed {
    /// What the server may do with the identity of this client. Default:
    /// [`ImpersonationLevel::Identification`].
    #[must_use = "options do nothing until a channel connects with them"]
    fn impersonation(self, level: ImpersonationLevel) -> Self;
}

impl ConnectOptionsExt for ConnectOptions {
    fn impersonation(mut self, level: ImpersonationLevel) -> Self {
        self.platform.pipe = self.platform.pipe.impersonation(level);
        self
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::ListenOptions {}
    impl Sealed for crate::ConnectOptions {}
}
