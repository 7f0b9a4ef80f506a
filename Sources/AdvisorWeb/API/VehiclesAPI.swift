import Access
import CoreLoop
import Customers
import Decoding
import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1/vehicles`: what is known of vehicles, and their readings.
struct VehiclesAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1/vehicles")
        group.get("") { request, context in try await list(request, context) }
        group.get("/:vehicle") { request, context in
            _ = try Query(request, known: [])
            return try await answer(try await row(context), context)
        }
        group.put("/:vehicle") { request, context in try await register(request, context) }
        group.post("/:vehicle/accept") { request, context in
            try await accept(request, context)
        }
        group.get("/:vehicle/readings") { request, context in
            try await readings(request, context)
        }
    }

    // MARK: Reading

    private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["troubled", "limit", "cursor"])
        let troubledOnly: Bool
        switch query["troubled"] {
        case nil, "false": troubledOnly = false
        case "true": troubledOnly = true
        default: throw query.invalid("troubled", "true or false")
        }
        let limit = try query.limit()
        let from = try query.cursor(numbers: 1)?[0] ?? 0
        let stations = context.caller.stations
        let rows = await services.core.ask {
            $0.statuses(
                from: Int(clamping: from),
                troubledOnly: troubledOnly,
                stations: stations,
                limit: limit + 1
            )
        }
        guard let rows else { throw APIProblem(Problem(.overloaded)) }
        return try listResponse(
            rows.prefix(limit).map(VehicleStatusDTO.init),
            next: rows.count > limit ? rows.last.map { Cursor([Int64($0.number)]) } : nil,
            request
        )
    }

    /// One signal of one vehicle, as it came or by the hour or day.
    private func readings(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let query = try Query(request, known: ["signal", "resolution", "from", "to"])
        guard let path = query["signal"], services.catalogue.find(path: path) != nil else {
            throw query.invalid("signal", "a path of the catalogue")
        }
        let to = try query.time("to") ?? services.clock()
        let from = try query.time("from") ?? to - .days(Int64(30))
        let vehicle = try await row(context).id
        switch query["resolution"] {
        case nil, "raw":
            let points = try await services.reads.readings(
                of: vehicle,
                path: path,
                companion: nil,
                from: from,
                to: to,
                limit: Limits.chartReadingsMax
            )
            return try listResponse(
                points.map { ReadingDTO(at: "\($0.at)", value: $0.value) },
                next: nil,
                request
            )
        case let name?:
            guard let resolution = Resolution(rawValue: name) else {
                throw query.invalid("resolution", "one of: raw, hour, day")
            }
            let rows = try await services.reads.aggregates(
                of: vehicle,
                path: path,
                resolution: resolution,
                from: from,
                to: to
            )
            return try listResponse(rows.map(AggregateDTO.init), next: nil, request)
        }
    }

    /// The vehicle a path names, where the caller may know of it.
    private func row(_ context: WebContext) async throws -> VehicleRow {
        guard let name = VehiclesAPI.name(context),
            let row = try await services.reads.vehicle(named: name),
            context.caller.sees(station: row.profile.station ?? services.stations[0].code)
        else {
            throw APIProblem(.notFound, code: "not_found", detail: "There is no such vehicle.")
        }
        return row
    }

    /// A topic may hold what a path writes as `%20`.
    private static func name(_ context: WebContext) -> String? {
        context.parameters.get("vehicle")?.removingPercentEncoding
    }

    private func answer(_ row: VehicleRow, _ context: WebContext) async throws -> Response {
        let status = await services.core.ask {
            $0.statuses(from: Int(row.id.index), troubledOnly: false, limit: 1).first
        }
        let live = try await services.reads.liveSuggestion(ofVehicle: row.name)
        let alerts = try await services.reads.liveAlerts(ofVehicle: row.id)
        // The car may have been at another dealer's, whose words are not for this one.
        let visits = try await services.reads.appointments(ofVehicle: row.id)
            .filter { context.caller.sees(station: $0.stationCode) }
        var suggestion: SuggestionRecord?
        if let live { suggestion = try await services.reads.suggestion(live.id) }
        return try jsonResponse(
            VehicleDTO(
                row,
                station: services.station(row.profile.station ?? "").code,
                status: status ?? nil,
                suggestion: suggestion.flatMap {
                    context.caller.sees(station: $0.stationCode) ? $0.id : nil
                },
                alerts: alerts,
                visits: visits
            )
        )
    }

    // MARK: Writing

    /// An engineer accepts what a component that is not judged tells.
    private func accept(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let row = try await row(context)
        let body = try await decode(AcceptBody.self, request, whenEmpty: nil)
        let command = Command.accept(
            vehicle: row.name,
            component: body.component,
            by: context.actor
        )
        if case .failure(let problem) = await services.core.submit(command) {
            throw APIProblem(problem)
        }
        return try await answer(row, context)
    }

    /// Enters or changes a vehicle; what the body leaves out stays as it is.
    private func register(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        guard let name = VehiclesAPI.name(context), VehicleName.isValid(name) else {
            throw invalid("vehicle", VehicleName.rule)
        }
        let known = try await services.reads.vehicle(named: name)
        let before = known?.profile.station ?? services.stations[0].code
        if known != nil { try context.require(station: before) }
        var request = request
        let bytes = [UInt8](Array(buffer: try await request.boundedBody()))
        let profile: VehicleProfile
        do throws(Rejection) {
            profile = try ProfileDecoder.decode(bytes.span)
        } catch {
            throw invalid(
                "body",
                "a vehicle's profile; byte \(error.byteOffset): \(error.reason.rawValue)"
            )
        }
        let station = profile.station ?? before
        guard services.stations.contains(where: { $0.code == station }) else {
            throw APIProblem(Problem(.unknownName))
        }
        try context.require(station: station)
        let command = Command.register(
            RegistryRow(vehicle: name, profile: profile),
            by: context.actor
        )
        if case .failure(let problem) = await services.core.submit(command) {
            throw APIProblem(problem)
        }
        return try await answer(try await row(context), context)
    }
}

/// What an engineer accepts.
private struct AcceptBody: Decodable {
    var component: String
}

struct VehicleDTO: Encodable {
    var vehicle: String
    var model: String?
    var powertrain: String?
    var batteryType: String?
    /// Masked.
    var plate: String?
    var placardFrontKilopascals: Double?
    var placardRearKilopascals: Double?
    var station: String
    var firstSeenAt: String
    var lastHeardAt: String?
    var isSilent: Bool?
    var missingPackets: Int?
    /// What of it cannot be judged.
    var troubles: [TroubleDTO]?
    var suggestion: Int64?
    var alerts: [AlertDTO]
    /// The newest first.
    var visits: [AppointmentDTO]

    init(
        _ row: VehicleRow,
        station: String,
        status: VehicleStatus?,
        suggestion: Int64?,
        alerts: [Alert],
        visits: [AppointmentRecord]
    ) {
        vehicle = row.name
        model = row.profile.model
        powertrain = row.profile.powertrain
        batteryType = row.profile.batteryType
        plate = row.profile.plate.map(Masking.plate)
        placardFrontKilopascals = row.profile.placardFrontKilopascals
        placardRearKilopascals = row.profile.placardRearKilopascals
        self.station = station
        firstSeenAt = "\(row.firstSeenAt)"
        lastHeardAt = status.map { "\($0.lastHeardAt)" }
        isSilent = status?.isSilent
        missingPackets = status?.missingPackets
        troubles = status?.troubles.map(TroubleDTO.init)
        self.suggestion = suggestion
        self.alerts = alerts.map { AlertDTO($0, vehicle: row.name) }
        self.visits = visits.map(AppointmentDTO.init)
    }

    enum CodingKeys: String, CodingKey {
        case vehicle, model, powertrain, plate, station, troubles, suggestion, alerts, visits
        case batteryType = "battery_type"
        case placardFrontKilopascals = "placard_front_kpa"
        case placardRearKilopascals = "placard_rear_kpa"
        case firstSeenAt = "first_seen_at"
        case lastHeardAt = "last_heard_at"
        case isSilent = "is_silent"
        case missingPackets = "missing_packets"
    }
}
