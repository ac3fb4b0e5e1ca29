//! The service of [`Answer`] over the crate `h2`.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use grpc_ipc_http2::fuzzing::{
    Answer, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE, MAX_STREAMS, WINDOW, metadata, summary, trailers,
};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::DuplexStream;

/// Serves a connection with h2, and returns whether h2 gave it up.
pub(crate) fn serve(io: DuplexStream) -> Pin<Box<dyn Future<Output = bool> + Send>> {
    Box::pin(async {
        let mut builder = Builder::new();
        builder
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_frame_size(MAX_FRAME_SIZE)
            .max_header_list_size(MAX_HEADER_LIST_SIZE)
            .max_concurrent_streams(MAX_STREAMS)
            .max_concurrent_reset_streams(10_000)
            .max_pending_accept_reset_streams(10_000)
            .max_local_error_reset_streams(None);
        let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else { return true };
        while let Some(accepted) = connection.accept().await {
            let Ok((request, response)) = accepted else { return true };
            tokio::spawn(async move {
                _ = answer(request, response).await;
            });
        }
        false
    })
}

async fn answer(request: Request<RecvStream>, mut send: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut response = Response::new(());
    response.headers_mut().insert("x-request", summary(&head));
    response.headers_mut().insert("x-metadata", metadata(&head.headers));
    match Answer::to(head.uri.path()) {
        Answer::Echo => {
            let mut send = send.send_response(response, false)?;
            while let Some(data) = body.data().await {
                let Ok(data) = data else {
                    send.send_reset(Reason::INTERNAL_ERROR);
                    return Ok(());
                };
                _ = body.flow_control().release_capacity(data.len());
                send_all(&mut send, data).await?;
            }
            end(&mut send, body.trailers().await)
        }
        Answer::Collect => {
            let mut all = BytesMut::new();
            while let Some(data) = body.data().await {
                let Ok(data) = data else {
                    send.send_reset(Reason::INTERNAL_ERROR);
                    return Ok(());
                };
                _ = body.flow_control().release_capacity(data.len());
                all.extend_from_slice(&data);
            }
            let came = body.trailers().await;
            let mut send = send.send_response(response, false)?;
            send_all(&mut send, all.freeze()).await?;
            end(&mut send, came)
        }
        Answer::Head => {
            send.send_response(response, true)?;
            Ok(())
        }
        Answer::Big(length) => {
            let mut send = send.send_response(response, false)?;
            drop(body);
            send_all(&mut send, vec![b'b'; length].into()).await?;
            end(&mut send, Ok(None))
        }
        Answer::Late(time) => {
            tokio::time::sleep(time).await;
            send.send_response(response, true)?;
            Ok(())
        }
    }
}

/// Waits for the window as ours does: data is read no faster than it can be sent back.
async fn send_all(send: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        send.reserve_capacity(data.len());
        let capacity = std::future::poll_fn(|cx| send.poll_capacity(cx)).await;
        let Some(capacity) = capacity.transpose()? else { return Ok(()) };
        send.send_data(data.split_to(capacity.min(data.len())), false)?;
    }
    Ok(())
}

fn end(send: &mut SendStream<Bytes>, came: Result<Option<HeaderMap>, h2::Error>) -> Result<(), h2::Error> {
    match came {
        Ok(came) => send.send_trailers(trailers(came.as_ref())),
        Err(_) => {
            send.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
    }
}
