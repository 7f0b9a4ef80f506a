import Customers
import GRDB
package import GatewayCore
import Telemetry
import Workshop

/// What the desk knows of vehicles → what the core goes by.
extension Desk {
    /// Vehicles of which the core has not heard the newest, each with the number to forget it by.
    package func vehicleNews() async throws -> [(id: Int64, news: VehicleNews)] {
        try await read { database in
            let rows = try Row.fetchAll(
                database,
                sql: "SELECT id, vehicle, is_erased FROM vehicle_news ORDER BY id LIMIT ?",
                arguments: [Limits.pageRowsMax]
            )
            return try rows.map { row in
                let vehicle: String = row["vehicle"]
                let owner = try Desk.owner(of: vehicle, database)
                let news = VehicleNews(
                    vehicle: vehicle,
                    facts: owner.map { Desk.facts(of: vehicle, $0) } ?? VehicleFacts(),
                    isErased: row["is_erased"]
                )
                return (row["id"], news)
            }
        }
    }

    /// The core has heard of them; what changed since stands under another number.
    package func forgetNews(_ ids: [Int64]) async throws {
        try await write { database in
            for id in ids {
                try database.execute(sql: "DELETE FROM vehicle_news WHERE id = ?", arguments: [id])
            }
        }
    }

    private static func facts(of vehicle: String, _ owner: CustomerRecord) -> VehicleFacts {
        let profile = owner.profile
        var facts = VehicleFacts()
        facts.account = owner.id
        facts.station = profile.station
        facts.home = owner.allows(.homeCell) ? profile.home : nil
        if let from = profile.contactFromMinute, let to = profile.contactToMinute {
            facts.contactMinutes = from..<to
        }
        if !profile.weekdays.isEmpty {
            facts.preference = VisitPreference(weekdays: profile.weekdays, from: 0, to: 1_440)
        }
        facts.allowsService = owner.allows(.service)
        facts.allowsOffers = owner.allows(.commercial)
        facts.dueItems = owner.dueItems.filter { item in
            item.kind == .licence ? owner.allows(.licenceDate) : item.vehicle == vehicle
        }
        return facts
    }
}
