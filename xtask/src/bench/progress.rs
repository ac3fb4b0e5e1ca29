use std::time::Instant;

/// Prints the progress of a long measurement.
pub(super) struct Progress {
    steps: usize,
    begun: usize,
    start: Instant,
}

impl Progress {
    pub(super) fn new(steps: usize) -> Self {
        Self { steps, begun: 0, start: Instant::now() }
    }

    /// Prints the step that begins.
    pub(super) fn step(&mut self, what: &str) {
        let elapsed = self.start.elapsed().as_secs_f64();
        let left = if self.begun == 0 {
            String::new()
        } else {
            let left = elapsed / self.begun as f64 * (self.steps - self.begun) as f64;
            format!(", {:.0} s left", left)
        };
        eprintln!("[{:3.0} %{left}] {what}", 100.0 * self.begun as f64 / self.steps as f64);
        self.begun += 1;
    }
}
