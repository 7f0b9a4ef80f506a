import ArgumentParser
import Foundation
import GatewayApp
import Synchronization

/// `gateway-bench`: one figure per line of JSON, each beside its floor in the same run.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway-bench",
        abstract:
            "Measures decoding, rules, planning, store and memory; Tests/Benchmarks/run calls it.",
        subcommands: [
            DecodeBench.self, RulesBench.self, PlanBench.self, StoreBench.self, MemoryBench.self,
            StartBench.self,
        ]
    )
}

/// One measured figure.
struct Figure: Encodable {
    var name: String
    var value: Double
    var unit: String
    /// What bounds it, measured in the same run, and the ratio to it.
    var floor: String?
    var floorValue: Double?

    func print() {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard let data = try? encoder.encode(self) else { return }
        Swift.print(String(decoding: data, as: UTF8.self))
    }
}

/// Seconds of processor time of the whole process.
func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Keeps one core busy while `body` runs: where a virtual machine's cores sleep, waking a thread
/// costs more than a query, and what a query costs would not show.
func withBusyCore(_ body: () async throws -> Void) async rethrows {
    final class Flag: Sendable {
        let isOver = Atomic(false)
    }
    let flag = Flag()
    Thread { while !flag.isOver.load(ordering: .relaxed) {} }.start()
    defer { flag.isOver.store(true, ordering: .relaxed) }
    try await body()
}

/// The median processor time of some runs, in nanoseconds per item.
func medianNanoseconds(_ runs: Int, items: Int, _ body: () -> Void) -> Double {
    var times: [Double] = []
    for _ in 0..<runs {
        let begun = processorSeconds()
        body()
        times.append(processorSeconds() - begun)
    }
    return times.sorted()[runs / 2] / Double(items) * 1e9
}

/// Bytes of memory the process has in use now.
func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let fields = text.split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4_096 : 0
}

/// Bytes the process has handed to write calls so far.
func writtenBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/io", encoding: .utf8)) ?? ""
    for line in text.split(separator: "\n") where line.hasPrefix("wchar: ") {
        return Int(line.dropFirst(7)) ?? 0
    }
    return 0
}

/// SplitMix64, so that every run measures the same data.
struct Generator: RandomNumberGenerator {
    var state: UInt64 = 1

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// The eight signals of a usual packet, with full VSS paths and plausible values.
enum Packet {
    static let signals: [(path: String, low: Double, high: Double, decimals: Int)] = [
        ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure", 210, 260, 1),
        ("Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Pressure", 210, 260, 1),
        ("Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure", 210, 260, 1),
        ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure", 210, 260, 1),
        ("Vehicle.LowVoltageBattery.CurrentVoltage", 12, 14.4, 3),
        ("Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemainingPercent", 5, 95, 1),
        ("Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature", 70, 98, 1),
        ("Vehicle.Exterior.AirTemperature", -5, 30, 1),
    ]

    static func value(_ index: Int, _ generator: inout Generator) -> Double {
        let signal = signals[index]
        let scale = pow(10, Double(signal.decimals))
        return (Double.random(in: signal.low...signal.high, using: &generator) * scale).rounded()
            / scale
    }

    /// A healthy vehicle's value: its own place in the upper half of the range, and a little noise.
    static func steady(_ index: Int, of vehicle: Int, _ generator: inout Generator) -> Double {
        let signal = signals[index]
        let place = 0.5 + Double((vehicle &* 2_654_435_761 &+ index) & 0xff) / 1_024
        let noise = Double.random(in: -0.01...0.01, using: &generator)
        let scale = pow(10, Double(signal.decimals))
        let value = signal.low + (place + noise) * (signal.high - signal.low)
        return (value * scale).rounded() / scale
    }

    static func json(sequence: Int, time: String, _ values: [Double]) -> String {
        let readings = signals.indices.map { "\"\(signals[$0].path)\":\(values[$0])" }
        return "{\"v\":1,\"boot\":\"b7\",\"seq\":\(sequence),\"ts\":\"\(time)\",\"readings\":{"
            + readings.joined(separator: ",") + "}}"
    }
}

/// The shipped configuration.
struct ConfigOption: ParsableArguments {
    @Option(help: "Settings; paths inside are relative to that file.")
    var config = "config/gateway.yaml"

    func assembly() throws -> Assembly { try Assembly(configPath: config) }
}
