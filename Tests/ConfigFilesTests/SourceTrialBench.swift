import ConfigFiles
import Decoding
import Foundation
import GatewayApp
import GatewayCore
import Support
import Telemetry

/// Source files of a test, a message, and what the whole core makes of it.
struct SourceTrialBench {
    let folder: ScratchFolder
    let assembly: Assembly

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
    }

    struct Seen: Equatable {
        var vehicles: [String] = []
        var values: [Double] = []
        var reasons: [RejectionReason] = []
        var absent = 0
        var ignored = 0
    }

    func gateway(_ sources: [String]) throws -> Gateway {
        let written = folder.url.appendingPathComponent("sources")
        for place in sources.count..<10 {
            try? FileManager.default.removeItem(at: written.appendingPathComponent("\(place).yaml"))
        }
        for (place, text) in sources.enumerated() {
            _ = try folder.write("sources/\(place).yaml", "name: source-\(place)\n\(text)")
        }
        var own = assembly
        own.sources = try SourceFile.load(
            folder: folder.url.appendingPathComponent("sources").path,
            catalogue: assembly.catalogue
        ).sources
        return own.makeGateway()
    }

    func step(
        _ sources: [String],
        _ topic: String,
        _ payload: String,
        isRetained: Bool = false
    ) throws -> CommitUnit {
        var gateway = try gateway(sources)
        var batch = PacketBatch()
        batch.append(
            topic: topic.utf8,
            payload: payload.utf8,
            receivedAt: now,
            isRetained: isRetained
        )
        return gateway.step(.packets(batch), now: now)
    }

    func see(
        _ sources: [String],
        _ topic: String,
        _ payload: String,
        isRetained: Bool = false
    ) throws -> Seen {
        let unit = try step(sources, topic, payload, isRetained: isRetained)
        return Seen(
            vehicles: unit.vehicles.map(\.name),
            values: unit.readings.map { ($0.value * 1_000).rounded() / 1_000 },
            reasons: unit.deadLetters.flatMap(\.rejections).map(\.reason),
            absent: unit.counts.noReading,
            ignored: unit.counts.ignoredPackets
        )
    }

    /// 2026-03-01T00:00:00Z, as seconds.
    let now = Fixtures.start
    let seconds = Fixtures.start.milliseconds / 1_000

    static let volts = "{from: /v, signal: Vehicle.LowVoltageBattery.CurrentVoltage, unit: V}"
}
