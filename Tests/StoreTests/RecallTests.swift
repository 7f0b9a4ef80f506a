import Foundation
import GatewayApp
import Support
import Telemetry
import Testing

@testable import GatewayCore
@testable import Store

/// A start takes packets in before it knows all that is stored.
struct RecallTests {
    private let folder: ScratchFolder
    private let assembly: Assembly

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
    }

    private func open(_ name: String) throws -> (store: GatewayStore, writer: Writer) {
        let store = try GatewayStore(path: folder.path(name), durability: .scratch)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        return (store, writer)
    }

    private typealias Packet = (topic: String, payload: String, receivedAt: Timestamp)

    /// Three cars that lose air, the third of which is first heard late; every packet comes twice
    /// now and then.
    private var packets: [Packet] {
        let late = Fixtures.start + .days(Int64(9))
        var packets =
            Fixtures.leak("v1", perDay: 3, days: 16) + Fixtures.leak("v2", perDay: 1, days: 16)
            + Fixtures.leak("v3", perDay: 4, days: 7, start: late)
        packets.sort { $0.receivedAt < $1.receivedAt }
        return packets.enumerated().flatMap { place, packet in
            place % 5 == 0 ? [packet, packet] : [packet]
        }
    }

    private func take(
        _ packet: Packet,
        _ gateway: inout Gateway,
        _ writer: Writer,
        checkpointing: [VehicleID] = []
    ) throws -> CommitUnit {
        let unit = gateway.step(
            .packets(Fixtures.batch([packet])),
            now: packet.receivedAt,
            checkpointing: checkpointing
        )
        _ = try writer.commit(unit)
        return unit
    }

    /// What there is to tell two runs apart.
    private func outcome(
        _ gateway: inout Gateway,
        _ writer: Writer
    ) throws -> (readings: [String], states: [[UInt8]], alerts: [String]) {
        _ = try writer.commit(gateway.finish())
        var readings: [String] = []
        try writer.export {
            readings.append("\($0.vehicle) \($0.path) \($0.observedAt) \($0.value)")
        }
        let all = (0..<UInt32(gateway.vehicleCount)).map { VehicleID(index: $0) }
        let states = all.map { gateway.checkpoint(of: $0) }
        let alerts = gateway.alerts.values.map {
            "\($0.vehicle.index) \($0.ruleID) \($0.component)"
        }
        return (readings, states, alerts.sorted())
    }

    /// Killed at any packet, with or without checkpoints, and started while packets come: every
    /// vehicle is remembered as if nothing had been.
    @Test(arguments: [1, 12, 40, 77], [0, 3])
    func packetsTakenDuringAStartCountAsAlways(killedAt kill: Int, between: Int) throws {
        let packets = packets
        let (_, undisturbed) = try open("a.sqlite")
        var expected = assembly.makeGateway()
        for packet in packets { _ = try take(packet, &expected, undisturbed) }

        var (store, writer) = try open("b.sqlite")
        var gateway = assembly.makeGateway()
        for (place, packet) in packets[..<kill].enumerated() {
            let vehicles = place % 10 == 9 ? [VehicleID(index: 0)] : []
            _ = try take(packet, &gateway, writer, checkpointing: vehicles)
        }
        try store.close()
        (store, writer) = try open("b.sqlite")
        var recall: Recall
        (gateway, recall) = try assembly.start(store, writer, now: Fixtures.start)
        var next = kill
        repeat {
            for packet in packets[next..<min(next + between, packets.count)] {
                let unit = try take(packet, &gateway, writer)
                #expect(unit.checkpoints.isEmpty && unit.confirmations.isEmpty)
                next += 1
            }
        } while try recall.step(&gateway)
        #expect(!gateway.isRecalling)
        for packet in packets[next...] { _ = try take(packet, &gateway, writer) }

        let left = try outcome(&gateway, writer)
        let right = try outcome(&expected, undisturbed)
        #expect(left.readings == right.readings)
        #expect(left.states == right.states)
        #expect(left.alerts == right.alerts)
        #expect(!right.alerts.isEmpty)
        #expect(gateway.confirmations == expected.confirmations)
    }

    /// A car that was silent when the gateway stopped, and is heard while it starts, is no longer.
    @Test func aCarHeardDuringAStartIsNotSilent() throws {
        var (store, writer) = try open("c.sqlite")
        var gateway = assembly.makeGateway()
        let packets = packets
        _ = try take(packets[0], &gateway, writer)
        _ = try writer.commit(gateway.step(.tick, now: Fixtures.start + .days(Int64(60))))
        #expect(gateway.silentCount == 1)
        try store.close()
        (store, writer) = try open("c.sqlite")
        var recall: Recall
        (gateway, recall) = try assembly.start(store, writer, now: Fixtures.start)
        let time = Fixtures.start + .days(Int64(61))
        let packet = Fixtures.packet("v1", sequence: 2, at: time, ["Vehicle.Speed": 1])
        _ = try take(packet, &gateway, writer)
        while try recall.step(&gateway) {}
        #expect(gateway.silentCount == 0)
        let unit = gateway.step(.tick, now: time)
        #expect(unit.transitions.map(\.to) == ["heard"])
        #expect(unit.checkpoints.map(\.vehicle.index) == [0])
    }
}
