use std::io;

use crate::Connection;

/// An item of a stream of connections: a connection, or a result with a connection in it.
///
/// An error concerns one connection; the reader of the stream logs it and continues.
pub trait IntoConnection: Send + sealed::Sealed {
    /// The connection.
    type Connection: Connection;

    /// Returns the connection, or the error that took its place.
    ///
    /// # Errors
    /// The error of a `Result`. A bare connection never fails.
    fn into_connection(self) -> io::Result<Self::Connection>;
}

impl<C: Connection> IntoConnection for C {
    type Connection = C;

    fn into_connection(self) -> io::Result<C> {
        Ok(self)
    }
}

impl<C: Connection, E: Into<io::Error> + Send> IntoConnection for Result<C, E> {
    type Connection = C;

    fn into_connection(self) -> io::Result<C> {
        self.map_err(Into::into)
    }
}

mod sealed {
    use std::io;

    use crate::Connection;

    pub trait Sealed {}
    impl<C: Connection> Sealed for C {}
    impl<C: Connection, E: Into<io::Error>> Sealed for Result<C, E> {}
}
