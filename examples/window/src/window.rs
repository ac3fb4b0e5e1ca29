//! The window, drawn anew for each message of the server.

use std::sync::mpsc::{self, Receiver};

use eframe::egui::{
    Align, CentralPanel, Color32, Context, Frame, Grid, Layout, Panel, RichText, ScrollArea, Ui,
    ViewportCommand,
};
use grpc_ipc::{ServeError, ServerHandle, ServerStats};

use crate::host::{self, Feed, Line, Message};

const GREEN: Color32 = Color32::from_rgb(38, 162, 105);
const AMBER: Color32 = Color32::from_rgb(229, 165, 10);
const GRAY: Color32 = Color32::from_rgb(119, 118, 123);
const RED: Color32 = Color32::from_rgb(224, 72, 62);

pub struct Window {
    address: String,
    feed: Feed,
    messages: Receiver<Message>,
    lines: Vec<Line>,
    state: State,
    /// Of the server that was started last.
    stats: Option<ServerStats>,
}

enum State {
    Running(ServerHandle),
    Stopping,
    Stopped,
    Failed(ServeError),
}

impl Window {
    pub fn new(context: &Context, address: String) -> Self {
        let (sender, messages) = mpsc::channel();
        let feed = Feed { messages: sender, window: context.clone() };
        let mut window =
            Self { address, feed, messages, lines: Vec::new(), state: State::Stopped, stats: None };
        window.start();
        window
    }

    fn start(&mut self) {
        match host::start(&self.address, &self.feed) {
            Ok(server) => {
                self.stats = Some(server.stats());
                self.state = State::Running(server);
            }
            Err(error) => self.state = State::Failed(error),
        }
    }

    fn stop(&mut self) {
        if let State::Running(server) = std::mem::replace(&mut self.state, State::Stopping) {
            host::stop(server, &self.feed);
        }
    }

    fn header(&mut self, ui: &mut Ui) {
        let (color, text, button) = match &self.state {
            State::Running(server) => {
                (GREEN, format!("Listening on {}", server.local_addresses()[0]), "Stop")
            }
            State::Stopping => (AMBER, "Waiting for the last calls to end".to_owned(), "Stop"),
            State::Stopped => (GRAY, "Stopped".to_owned(), "Start"),
            State::Failed(_) => (RED, "Not listening".to_owned(), "Start"),
        };
        ui.horizontal(|ui| {
            let (dot, _) = ui.allocate_exact_size([14.0, 14.0].into(), eframe::egui::Sense::hover());
            ui.painter().circle_filled(dot.center(), 6.0, color);
            ui.label(RichText::new(text).strong());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let is_enabled = !matches!(self.state, State::Stopping);
                if ui.add_enabled(is_enabled, eframe::egui::Button::new(button)).clicked() {
                    match self.state {
                        State::Running(_) => self.stop(),
                        _ => self.start(),
                    }
                }
            });
        });
        if let State::Failed(error) = &self.state {
            ui.add_space(6.0);
            ui.colored_label(RED, error.to_string());
        }
    }

    fn footer(&self, ui: &mut Ui) {
        let Some(stats) = &self.stats else { return };
        ui.weak(format!(
            "{} open connections    {} calls    {} refused",
            stats.open_connections(),
            stats.calls_started(),
            stats.refused_connections()
        ));
    }

    fn lines(&self, ui: &mut Ui) {
        if self.lines.is_empty() {
            ui.centered_and_justified(|ui| ui.weak("Calls appear here."));
            return;
        }
        ScrollArea::vertical().auto_shrink(false).stick_to_bottom(true).show(ui, |ui| {
            Grid::new("lines").num_columns(3).striped(true).spacing([24.0, 6.0]).show(ui, |ui| {
                for line in &self.lines {
                    let color = if line.is_good { GREEN } else { RED };
                    ui.monospace(&line.caller);
                    ui.label(&line.what);
                    let result = ui.colored_label(color, &line.result);
                    if let Some(explanation) = &line.explanation {
                        result.on_hover_text(explanation);
                    }
                    ui.end_row();
                }
            });
        });
    }
}

impl eframe::App for Window {
    fn logic(&mut self, context: &Context, _: &mut eframe::Frame) {
        for message in self.messages.try_iter() {
            match message {
                Message::Line(line) => self.lines.push(line),
                Message::Stopped(Ok(())) => self.state = State::Stopped,
                Message::Stopped(Err(error)) => self.state = State::Failed(error),
            }
            // The last thousand.
            let surplus = self.lines.len().saturating_sub(1000);
            self.lines.drain(..surplus);
            context.send_viewport_cmd(ViewportCommand::Title(format!("Greeter ({})", self.lines.len())));
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let frame = Frame::central_panel(ui.style()).inner_margin(12.0);
        Panel::top("header").frame(frame).show(ui, |ui| self.header(ui));
        Panel::bottom("footer").frame(frame).show(ui, |ui| self.footer(ui));
        CentralPanel::default().frame(frame).show(ui, |ui| self.lines(ui));
    }

    fn on_exit(&mut self, _: Option<&eframe::glow::Context>) {
        if let State::Running(server) = std::mem::replace(&mut self.state, State::Stopping) {
            _ = server.shutdown(host::DRAIN);
        }
    }
}
