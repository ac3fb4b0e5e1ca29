//! Measures how the sizes of reads, of writes and of the pipe's buffer affect a transfer of 1 MiB over a named pipe. On
//! Windows:
//!
//! ```text
//! cargo bench --bench pipe
//! ```

#[cfg(windows)]
fn main() {
    windows::main();
}

#[cfg(not(windows))]
fn main() {
    eprintln!("named pipes are on Windows only");
}

#[cfg(windows)]
mod windows {
    use std::io::IoSlice;
    use std::time::Duration;

    use criterion::{BenchmarkId, Criterion};
    use grpc_ipc::{Address, Connector as _, Listener as _};
    use grpc_ipc_named_pipe::{ConnectOptions, ListenOptions, LocalStream};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::runtime::{Builder, Runtime};
    use tokio::time::Instant;

    const MEBIBYTE: usize = 1 << 20;
    /// A frame of HTTP/2 as gRPC sends it: a head of nine bytes, and the payload.
    const FRAME: usize = 16 * 1024;

    pub(crate) fn main() {
        let time = Duration::from_secs(2);
        let mut criterion =
            Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(time);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        for size in [4 * 1024, 16 * 1024, 64 * 1024] {
            run(&mut criterion, &runtime, "read buffer", size, |_| (64 * 1024, size, true));
        }
        for size in [4 * 1024, 64 * 1024, MEBIBYTE] {
            run(&mut criterion, &runtime, "pipe buffer", size, |size| (size, 64 * 1024, true));
        }
        for vectored in [false, true] {
            run(&mut criterion, &runtime, "slices written at once", usize::from(vectored) + 1, |_| {
                (64 * 1024, 64 * 1024, vectored)
            });
        }
        criterion.final_summary();
    }

    /// Measures the transfer of 1 MiB in frames, with a pipe buffer, a read buffer, and head and body in one write or
    /// in two.
    fn run(
        criterion: &mut Criterion,
        runtime: &Runtime,
        what: &str,
        value: usize,
        sizes: impl Fn(usize) -> (usize, usize, bool),
    ) {
        let (pipe_buffer, read_buffer, vectored) = sizes(value);
        let (mut client, mut server) = runtime.block_on(pair(pipe_buffer));
        let mut received = vec![0; read_buffer];
        criterion.benchmark_group("1 MiB").bench_function(BenchmarkId::new(what, value), |bencher| {
            bencher.iter(|| runtime.block_on(transfer(&mut client, &mut server, &mut received, vectored)));
        });
    }

    async fn pair(pipe_buffer: usize) -> (LocalStream, LocalStream) {
        let address =
            Address::named_pipe(format!("bench-{}-{pipe_buffer}", std::process::id())).expect("an address");
        let options = ListenOptions::new().buffer_size(u32::try_from(pipe_buffer).expect("a size"));
        let mut listener = options.listen(&address).await.expect("a listener");
        let connector = ConnectOptions::new().connector(&address);
        let deadline = Instant::now() + Duration::from_secs(5);
        let (client, server) = tokio::join!(connector.connect(deadline), listener.accept());
        (client.expect("a connection"), server)
    }

    async fn transfer(
        client: &mut LocalStream,
        server: &mut LocalStream,
        received: &mut [u8],
        vectored: bool,
    ) {
        let (head, body) = ([1; 9], vec![2; FRAME - 9]);
        let write = async {
            for _ in 0..MEBIBYTE / FRAME {
                if vectored {
                    // A pipe takes the whole buffer, or waits.
                    let slices = [IoSlice::new(&head), IoSlice::new(&body)];
                    assert_eq!(client.write_vectored(&slices).await.expect("a reader"), FRAME);
                } else {
                    client.write_all(&head).await.expect("a reader");
                    client.write_all(&body).await.expect("a reader");
                }
            }
        };
        let read = async {
            let mut left = MEBIBYTE;
            while left > 0 {
                let length = left.min(received.len());
                left -= server.read(&mut received[..length]).await.expect("a writer");
            }
        };
        tokio::join!(write, read);
    }
}
