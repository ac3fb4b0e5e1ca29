//! A desktop program that hosts a server. Its window shows each call as it comes, with the caller, and each client that
//! is refused; a button stops the server and starts it again.
//!
//! ```text
//! cargo run [ADDRESS]          in this directory
//! ```
//!
//! The toolkit has the main thread; the server runs on a thread of its own (`Server::spawn`).

#![cfg_attr(windows, windows_subsystem = "windows")]

mod host;
mod window;

mod greet {
    grpc_ipc::include_proto!("greet");
}

fn main() -> eframe::Result {
    let address = std::env::args().nth(1).unwrap_or_else(|| "local:window".to_owned());
    let viewport = eframe::egui::ViewportBuilder::default().with_inner_size([760.0, 420.0]);
    let options = eframe::NativeOptions { viewport, renderer: eframe::Renderer::Glow, ..Default::default() };
    eframe::run_native(
        "Greeter",
        options,
        Box::new(|creation| Ok(Box::new(window::Window::new(&creation.egui_ctx, address)))),
    )
}
