//! A schema from the server: `grpc.reflection`, v1 or v1alpha.

use std::collections::{HashMap, HashSet};

use futures_util::stream;
use grpc_ipc::Channel;
use grpc_ipc::tonic::client::Grpc;
use grpc_ipc::tonic::codegen::http::uri::PathAndQuery;
use grpc_ipc::tonic::metadata::MetadataMap;
use grpc_ipc::tonic::{Code, Request as Call, Status, Streaming};
use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use tokio::sync::mpsc;
use tonic_prost::ProstCodec;

use super::messages::{Answer, Error, Question, Request, Response};
use super::pool;
use crate::failure::Failure;
use crate::output::escaped;
use crate::status;

const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// The server answers questions one after the other in one call.
pub(crate) struct Reflection {
    channel: Channel,
    path: &'static str,
    metadata: MetadataMap,
    /// Some servers (tonic's) end the call after a question that they cannot answer.
    call: Option<Asking>,
    pool: DescriptorPool,
    services: Vec<String>,
    /// The names that the server was asked for.
    asked: HashSet<String>,
}

impl Reflection {
    /// Begins with the list of services. A server that does not have v1 is asked for v1alpha.
    pub(super) async fn open(channel: Channel, metadata: MetadataMap) -> Result<Self, Failure> {
        let list = Question::ListServices(String::new());
        let mut path = V1;
        let mut opened = Asking::open(&channel, path, &metadata, &list).await;
        if opened.as_ref().is_err_and(|status| status.code() == Code::Unimplemented) {
            path = V1ALPHA;
            opened = Asking::open(&channel, path, &metadata, &list).await;
        }
        let (call, answer) = opened.map_err(|status| {
            let failure = status::failure(&status);
            match status.code() {
                Code::Unimplemented => Failure::of_call(
                    "the server has no reflection service, so its methods are unknown",
                    Code::Unimplemented,
                )
                .hint(
                    "Name a file that has it: --proto FILE or --protoset FILE. Or add the reflection \
                             service to the server.",
                ),
                _ => failure,
            }
        })?;
        let services = match answer {
            Answer::Services(services) => {
                services.services.iter().map(|service| escaped(&service.name)).collect()
            }
            other => return Err(unexpected(&other)),
        };
        let (pool, asked) = (DescriptorPool::global(), HashSet::new());
        Ok(Self { channel, path, metadata, call: Some(call), pool, services, asked })
    }

    pub(super) fn services(&self) -> Vec<String> {
        self.services.clone()
    }

    pub(super) fn has_service(&self, name: &str) -> bool {
        self.services.iter().any(|service| service == name)
    }

    pub(super) fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    pub(super) fn pool_mut(&mut self) -> &mut DescriptorPool {
        &mut self.pool
    }

    /// Asks for the file that `symbol` is in, and for what it imports, unless they are here. A name that the server does
    /// not know changes nothing.
    pub(super) async fn load(&mut self, symbol: &str) -> Result<(), Failure> {
        if super::find::in_pool(&self.pool, symbol).is_some() || !self.asked.insert(symbol.to_owned()) {
            return Ok(());
        }
        let Some(files) = self.files(Question::FileContainingSymbol(symbol.to_owned())).await? else {
            return Ok(());
        };
        let mut loaded: HashMap<String, FileDescriptorProto> = HashMap::new();
        let mut missing = HashSet::new();
        let mut next = files;
        loop {
            loaded.extend(next.drain(..).map(|file| (file.name().to_owned(), file)));
            let wanted = loaded.values().flat_map(|file| &file.dependency).find(|name| {
                !loaded.contains_key(*name)
                    && !missing.contains(*name)
                    && self.pool.get_file_by_name(name).is_none()
            });
            let Some(wanted) = wanted.cloned() else { break };
            match self.files(Question::FileByFilename(wanted.clone())).await? {
                Some(files) if files.iter().any(|file| file.name() == wanted) => next = files,
                // Often it has only options in it, and then nothing of it is needed.
                _ => _ = missing.insert(wanted),
            }
        }
        self.pool = pool::with_files(&self.pool, loaded.into_values().collect(), &missing)?;
        Ok(())
    }

    /// The files that answer a question; `None` if the server does not know what it asks for.
    async fn files(&mut self, question: Question) -> Result<Option<Vec<FileDescriptorProto>>, Failure> {
        match self.ask(question).await? {
            Answer::Files(files) => {
                let files = files.files.iter().map(|file| FileDescriptorProto::decode(file.as_slice()));
                files
                    .collect::<Result<_, _>>()
                    .map(Some)
                    .map_err(|error| Failure::new(format!("the server's schema cannot be decoded: {error}")))
            }
            Answer::Error(error) if error.code == Code::NotFound as i32 => Ok(None),
            // Some implementations have other codes for a name that they do not know.
            Answer::Error(error) if error.code != Code::PermissionDenied as i32 => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        let answered = match &mut self.call {
            Some(call) => call.ask(&question).await,
            None => {
                let opened = Asking::open(&self.channel, self.path, &self.metadata, &question).await;
                opened.map(|(call, answer)| {
                    self.call = Some(call);
                    answer
                })
            }
        };
        answered.or_else(|status| {
            self.call = None;
            match status.code() {
                Code::NotFound => {
                    Ok(Answer::Error(Error { code: status.code() as i32, message: String::new() }))
                }
                _ => Err(status::failure(&status)),
            }
        })
    }
}

struct Asking {
    questions: mpsc::Sender<Request>,
    answers: Streaming<Response>,
}

impl Asking {
    async fn open(
        channel: &Channel,
        path: &'static str,
        metadata: &MetadataMap,
        first: &Question,
    ) -> Result<(Self, Answer), Status> {
        let (questions, asked) = mpsc::channel(1);
        // A server may wait for it before it answers at all.
        _ = questions.send(Request { question: Some(first.clone()) }).await;
        let asked = stream::unfold(asked, async |mut asked| Some((asked.recv().await?, asked)));
        let mut request = Call::new(asked);
        *request.metadata_mut() = metadata.clone();
        let mut client = Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
        client.ready().await?;
        let codec: ProstCodec<Request, Response> = ProstCodec::default();
        let mut answers =
            client.streaming(request, PathAndQuery::from_static(path), codec).await?.into_inner();
        let answer = answer(&mut answers).await?;
        Ok((Self { questions, answers }, answer))
    }

    async fn ask(&mut self, question: &Question) -> Result<Answer, Status> {
        // If the call has ended, its status says so.
        _ = self.questions.send(Request { question: Some(question.clone()) }).await;
        answer(&mut self.answers).await
    }
}

async fn answer(answers: &mut Streaming<Response>) -> Result<Answer, Status> {
    match answers.message().await? {
        Some(Response { answer: Some(answer) }) => Ok(answer),
        Some(Response { answer: None }) => {
            Err(Status::internal("the server's answer about its schema is empty"))
        }
        None => Err(Status::internal("the server has ended the call about its schema")),
    }
}

fn unexpected(answer: &Answer) -> Failure {
    match answer {
        Answer::Error(error) => {
            let message = format!("the server does not tell its schema: {}", escaped(&error.message));
            Failure::of_call(message, Code::from(error.code))
        }
        _ => Failure::new("the server answers another question about its schema than it was asked"),
    }
}
