import ArgumentParser
import Foundation
import GatewayApp
import GatewayCore
import Telemetry
import Workshop

/// A network of workshops with its calendar filling up: what a visit costs to plan, and what it
/// costs to plan all of them anew.
struct PlanBench: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "plan")

    @OptionGroup var settings: ConfigOption

    @Option(help: "Live suggestions.")
    var suggestions = 5_000

    @Option(help: "Stations they are spread over.")
    var stations = 20

    func run() throws {
        var assembly = try settings.assembly()
        assembly.stations = (0..<stations).map { number in
            var station = assembly.stations[0]
            station.code = "s\(number)"
            for index in station.bays.indices { station.bays[index].code = "s\(number)-\(index)" }
            for index in station.technicians.indices {
                station.technicians[index].code = "s\(number)-t\(index)"
            }
            return station
        }
        var gateway = assembly.makeGateway()
        let start = Timestamp(milliseconds: 1_772_323_200_000)
        _ = gateway.step(.registry(rows(shift: 0)), now: start)
        var batch = PacketBatch()
        for vehicle in 0..<suggestions {
            // Two readings: one alone decides nothing.
            let readings = [start - .minutes(10), start].map {
                "{\"signal\":\"Vehicle.Service.DistanceToService\",\"value\":-10,\"ts\":\"\($0)\"}"
            }
            let body =
                "{\"v\":1,\"ts\":\"\(start)\",\"readings\":[\(readings.joined(separator: ","))]}"
            batch.append(
                topic: "vehicles/v\(vehicle)/telemetry".utf8,
                payload: body.utf8,
                receivedAt: start
            )
        }
        _ = gateway.step(.packets(batch), now: start)
        // Readings wait two minutes to be sorted; then every vehicle's visit is planned.
        var begun = processorSeconds()
        let unit = gateway.step(.tick, now: start + .minutes(3))
        let planned = processorSeconds() - begun
        let live = gateway.liveSuggestionCount
        guard live == suggestions else {
            throw CleanExit.message("only \(live) of \(suggestions) suggestions were made")
        }
        let held = unit.suggestions.count { $0.occupancy != nil }
        // Every owner now belongs to the next station: all holds are given up for others.
        let news = rows(shift: 1).map { row in
            var facts = VehicleFacts()
            facts.account = 1
            facts.station = row.profile.station
            return VehicleNews(vehicle: row.vehicle, facts: facts)
        }
        begun = processorSeconds()
        _ = gateway.step(.command(.facts(news)), now: start + .minutes(4))
        let again = processorSeconds() - begun
        Figure(
            name: "a visit planned, \(suggestions) live over \(stations) stations, \(held) held",
            value: planned / Double(suggestions) * 1e6,
            unit: "µs"
        ).print()
        Figure(name: "all of them planned anew", value: again, unit: "s").print()
    }

    private func rows(shift: Int) -> [RegistryRow] {
        (0..<suggestions).map { number in
            var row = RegistryRow(vehicle: "v\(number)", profile: .init())
            row.profile.station = "s\((number + shift) % stations)"
            return row
        }
    }
}
