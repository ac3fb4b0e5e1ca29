//! The charts, as SVG. Text is laid out by its viewer, so no fonts are needed to draw them.

use std::error::Error;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::bench::stack::Stack;
use crate::bench::table::{Spread, Table, number};

type Drawn = Result<(), Box<dyn Error>>;

/// A panel of bars: one row of the table.
pub(super) struct Bars {
    pub(super) title: &'static str,
    pub(super) section: &'static str,
    pub(super) what: &'static str,
    pub(super) place: &'static str,
    pub(super) unit: &'static str,
}

/// Lines over the rows of a section.
pub(super) struct Lines {
    pub(super) title: &'static str,
    pub(super) section: &'static str,
    pub(super) place: &'static str,
    pub(super) unit: &'static str,
    /// The rows, with the value on the horizontal axis.
    pub(super) points: &'static [(&'static str, f64)],
    pub(super) axis: &'static str,
}

const BAR: i32 = 20;
const PANEL: u32 = 420;
/// The space for the names of stacks, and for the figures.
const NAMES: i32 = 150;
const NUMBERS: i32 = 80;
const TITLE: i32 = 40;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 40, 40);

/// Panels side by side. `None` without figures.
pub(super) fn bars(table: &Table, panels: &[Bars]) -> Result<Option<String>, Box<dyn Error>> {
    let panels: Vec<_> = panels
        .iter()
        .filter_map(|bars| Some((bars, medians(table, bars.section, bars.what, bars.place, bars.unit)?)))
        .collect();
    let Some(most) = panels.iter().map(|(_, medians)| medians.len()).max() else { return Ok(None) };
    let height = TITLE + BAR * i32::try_from(most)? + 12;
    let size = (PANEL * u32::try_from(panels.len())?, height.try_into()?);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        for ((bars, medians), area) in panels.iter().zip(root.split_evenly((1, panels.len()))) {
            panel(&area, bars, medians)?;
        }
        root.present()?;
    }
    Ok(Some(svg))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(area: &Area<'_>, bars: &Bars, medians: &[(Stack, f64)]) -> Drawn {
    let title = (FONT, 15).into_font().color(&INK);
    area.draw(&Text::new(format!("{}, {}", bars.title, bars.unit), (10, 12), title))?;
    let most = medians.iter().map(|(_, median)| *median).fold(f64::MIN_POSITIVE, f64::max);
    let room = i32::try_from(PANEL)? - NAMES - NUMBERS;
    for (at, (stack, median)) in medians.iter().enumerate() {
        let top = TITLE + BAR * i32::try_from(at)?;
        let right = NAMES + ((median / most * f64::from(room)) as i32).max(1);
        let middle = top + BAR / 2 - 2;
        let text = |position| (FONT, 12).into_font().color(&INK).pos(Pos::new(position, VPos::Center));
        area.draw(&Text::new(stack.name(), (NAMES - 6, middle), text(HPos::Right)))?;
        area.draw(&Rectangle::new([(NAMES, top), (right, top + BAR - 5)], color(*stack).filled()))?;
        area.draw(&Text::new(number(*median), (right + 5, middle), text(HPos::Left)))?;
    }
    Ok(())
}

/// A line for each stack. `None` without figures.
pub(super) fn lines(table: &Table, lines: &Lines) -> Result<Option<String>, Box<dyn Error>> {
    let mut series: Vec<(Stack, Vec<(f64, f64)>)> = Vec::new();
    for stack in Stack::ALL {
        let point = |(what, x): &(&str, f64)| {
            let figures = table.figures(lines.section, what, lines.place, lines.unit)?.get(&stack)?;
            Some((*x, Spread::of(figures)?.median))
        };
        let points: Vec<_> = lines.points.iter().filter_map(point).collect();
        if points.len() > 1 {
            series.push((stack, points));
        }
    }
    let all = || series.iter().flat_map(|(_, points)| points.iter().copied());
    let range = |value: fn((f64, f64)) -> f64| {
        let (least, most) = all().map(value).fold((f64::MAX, 0.0_f64), |(l, m), v| (l.min(v), m.max(v)));
        (least * 0.8)..(most * 1.3)
    };
    if series.is_empty() {
        return Ok(None);
    }
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (840, 420)).into_drawing_area();
        root.fill(&WHITE)?;
        let (x, y) = (range(|point| point.0), range(|point| point.1));
        let mut chart = ChartBuilder::on(&root)
            .caption(format!("{}, {}", lines.title, lines.unit), (FONT, 15).into_font().color(&INK))
            .margin(10)
            .margin_right(190)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(x.log_scale(), y.log_scale())?;
        chart
            .configure_mesh()
            .x_desc(lines.axis)
            .label_style((FONT, 12).into_font().color(&INK))
            .x_label_formatter(&|value| tick(*value))
            .y_label_formatter(&|value| tick(*value))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (at, (stack, points)) in series.iter().enumerate() {
            let color = color(*stack);
            let width = if *stack == Stack::GrpcIpc { 4 } else { 2 };
            chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(width)))?;
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
            let top = 50 + 22 * i32::try_from(at)?;
            let text = (FONT, 13).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Rectangle::new([(660, top - 5), (674, top + 5)], color.filled()))?;
            root.draw(&Text::new(stack.name(), (680, top), text))?;
        }
        root.present()?;
    }
    Ok(Some(svg))
}

/// The text at a line of a logarithmic scale. Only 1, 2, 5, 10 … have one: the others would overlap.
fn tick(value: f64) -> String {
    let leading = value / 10_f64.powf((value.log10() + 1e-9).floor());
    let is_shown = [1.0, 2.0, 5.0].iter().any(|shown| (leading - shown).abs() < 0.01);
    if is_shown { number(value) } else { String::new() }
}

/// The medians of a row, if it has figures.
fn medians(table: &Table, section: &str, what: &str, place: &str, unit: &str) -> Option<Vec<(Stack, f64)>> {
    let figures = table.figures(section, what, place, unit)?;
    let median = |(stack, figures): (&Stack, &Vec<f64>)| Some((*stack, Spread::of(figures)?.median));
    Some(figures.iter().filter_map(median).collect())
}

/// Ours is red, other gRPC is blue, other RPC is green, and bare sockets are grey.
fn color(stack: Stack) -> RGBColor {
    match stack {
        Stack::GrpcIpc => RGBColor(200, 60, 20),
        Stack::GrpcIpcTonicCode => RGBColor(235, 150, 110),
        Stack::Tonic => RGBColor(30, 90, 180),
        Stack::Cpp => RGBColor(70, 140, 220),
        Stack::Go => RGBColor(110, 170, 230),
        Stack::Dotnet => RGBColor(90, 70, 180),
        Stack::Node => RGBColor(150, 190, 235),
        Stack::Python => RGBColor(180, 205, 240),
        Stack::Tarpc => RGBColor(50, 150, 90),
        Stack::Ttrpc => RGBColor(120, 195, 130),
        Stack::Raw => RGBColor(130, 130, 130),
        Stack::Blocking => RGBColor(180, 180, 180),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table::Row;

    const BARS: Bars = Bars { title: "Title", section: "s", what: "64 B", place: "p", unit: "p50 µs" };
    const LINES: Lines = Lines {
        title: "Title",
        section: "s",
        place: "p",
        unit: "p50 µs",
        points: &[("64 B", 64.0), ("1 KiB", 1024.0)],
        axis: "bytes",
    };

    #[test]
    fn charts_have_the_names_and_the_figures() {
        let mut table = Table::default();
        for (what, figure) in [("64 B", 12.3), ("1 KiB", 14.5)] {
            table.add(Row::new("s", what, "p", "p50 µs"), Stack::GrpcIpc, figure);
            table.add(Row::new("s", what, "p", "p50 µs"), Stack::Tonic, 2.0 * figure);
        }
        let drawn = bars(&table, &[BARS]).unwrap().unwrap();
        for text in ["grpc-ipc", "tonic", "12.3", "24.6", "Title, p50 µs"] {
            assert!(drawn.contains(text), "{text}: {drawn}");
        }
        assert!(lines(&table, &LINES).unwrap().unwrap().contains("grpc-ipc"));
    }

    #[test]
    fn the_texts_of_a_scale_do_not_overlap() {
        let shown: Vec<_> = (1..=12).map(|value| tick(f64::from(value) * 1000.0)).collect();
        assert_eq!(shown, ["1000", "2000", "", "", "5000", "", "", "", "", "10,000", "", ""]);
    }

    #[test]
    fn without_figures_there_is_no_chart() {
        let table = Table::default();
        assert!(bars(&table, &[BARS]).unwrap().is_none());
        assert!(lines(&table, &LINES).unwrap().is_none());
    }
}
