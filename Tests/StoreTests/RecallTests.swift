import Foundation
import GRDB
import GatewayApp
import Support
import Telemetry
import Testing

@testable import GatewayCore
@testable import Rules
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
    @Test(arguments: 0...3)
    func aCarHeardDuringAStartIsNotSilent(steps: Int) throws {
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
        for _ in 0..<steps { _ = try recall.step(&gateway) }
        let packet = Fixtures.packet("v1", sequence: 2, at: time, ["Vehicle.Speed": 1])
        let heard = try take(packet, &gateway, writer)
        while gateway.isRecalling { _ = try recall.step(&gateway) }
        #expect(gateway.silentCount == 0)
        let unit = gateway.step(.tick, now: time)
        #expect((heard.transitions + unit.transitions).map(\.to) == ["heard"])
        #expect((heard.checkpoints + unit.checkpoints).map(\.vehicle.index) == [0])
    }

    /// Trends that must be learnt again, or cannot be: the numbers of packets that come meanwhile
    /// count, and what they say is judged.
    @Test(arguments: [false, true])
    func packetsTakenWhileTrendsAreLearntAgainCount(isSpoilt: Bool) throws {
        var (store, writer) = try open("d.sqlite")
        var gateway = assembly.makeGateway()
        let packets = Fixtures.leak("v1", perDay: 1, days: 16)
        for packet in packets[..<30] { _ = try take(packet, &gateway, writer) }
        let all = [VehicleID(index: 0)]
        _ = try take(packets[30], &gateway, writer, checkpointing: all)
        var rules = ByteWriter()
        gateway.engine.encode(gateway.vehicles[0].rules, into: &rules)
        try store.pool.write { database in
            let state = try Data.fetchOne(database, sql: "SELECT state FROM checkpoint") ?? Data()
            var bytes = Array(state.dropLast(CheckSum.bytes))
            // Another layout of the rules' part; the part before it still reads.
            bytes[bytes.count - rules.bytes.count] = 1
            CheckSum.append(to: &bytes)
            try database.execute(
                sql: "UPDATE checkpoint SET state = ?",
                arguments: [isSpoilt ? Data(count: 40) : Data(bytes)]
            )
        }
        try store.close()
        (store, writer) = try open("d.sqlite")
        var recall: Recall
        (gateway, recall) = try assembly.start(store, writer, now: Fixtures.start)
        var next = 31
        while try recall.step(&gateway) {
            _ = try take(packets[next], &gateway, writer)
            next += 1
        }
        #expect(recall.unreadableCount == 1 && recall.relearntCount == 1)
        #expect(next > 33)
        for packet in packets[next...] { _ = try take(packet, &gateway, writer) }
        let vehicle = gateway.vehicles[0]
        #expect(isSpoilt || vehicle.windows.map(\.contiguous) == [UInt64(packets.count)])
        let left = vehicle.rules.parts.map(\.component.older.readings)
        var undisturbed = assembly.makeGateway()
        for packet in packets {
            _ = undisturbed.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt)
        }
        let right = undisturbed.vehicles[0].rules.parts.map(\.component.older.readings)
        #expect(left == right)
    }

    /// What a car says of itself during a start is stored at once, and in force after it.
    @Test func aProfileToldDuringAStartIsInForceAfterIt() throws {
        var (store, writer) = try open("e.sqlite")
        var gateway = assembly.makeGateway()
        _ = try take(packets[0], &gateway, writer)
        try store.close()
        (store, writer) = try open("e.sqlite")
        var recall: Recall
        (gateway, recall) = try assembly.start(store, writer, now: Fixtures.start)
        let profile: Packet = (
            "vehicles/v1/profile", #"{"v":1,"placard_front_kpa":300}"#,
            Fixtures.start + .hours(1)
        )
        let unit = try take(profile, &gateway, writer)
        #expect(unit.vehicles.map(\.profile.placardFrontKilopascals) == [300])
        #expect(gateway.vehicles[0].rules.reference.placardFrontKilopascals == nil)
        while try recall.step(&gateway) {}
        #expect(gateway.vehicles[0].rules.reference.placardFrontKilopascals == 300)
        #expect(gateway.step(.tick, now: gateway.now).checkpoints.count == 1)
    }

    /// Rows as the first builds wrote them have no check sum; they are recalled all the same.
    @Test func aJournalOfTheFirstBuildsIsRecalled() throws {
        var (store, writer) = try open("f.sqlite")
        var gateway = assembly.makeGateway()
        _ = try take(packets[0], &gateway, writer)
        var bytes: [UInt8] = [1]
        bytes.append(signed: Fixtures.start.milliseconds + 3_600_000)
        // Packet 2 of its boot, then one reading of signal 1: 23.5.
        bytes.append(varint: 2)
        bytes.append(varint: 0)
        let boot = gateway.vehicles[0].windows[0].boot
        bytes.append(varint: UInt64(boot.count))
        bytes += boot
        bytes.append(varint: 2)
        for number in [1, 0] { bytes.append(varint: UInt64(number)) }
        for number in [0, 0] { bytes.append(signed: Int64(number)) }
        bytes.append(varint: 1)
        bytes.append(varint: 3)
        bytes.append(varint: 1 << 5 | 1)
        bytes.append(signed: 235)
        try store.pool.write {
            try $0.execute(
                sql: "INSERT INTO journal (body) VALUES (?)",
                arguments: [Data(bytes)]
            )
        }
        try store.close()
        (store, writer) = try open("f.sqlite")
        var recall: Recall
        (gateway, recall) = try assembly.start(store, writer, now: Fixtures.start)
        while try recall.step(&gateway) {}
        #expect(gateway.vehicles[0].windows.map(\.contiguous) == [2])
        #expect(gateway.vehicles[0].lastHeardAt == Fixtures.start + .hours(1))
        let open = store.open.withLock { $0.readings(of: VehicleID(index: 0)) }
        #expect(open.map(\.value).last == 23.5)
        #expect(try writer.setAsideDamage().count == 0)
    }
}
