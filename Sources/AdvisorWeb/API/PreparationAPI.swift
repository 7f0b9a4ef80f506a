import Access
import CoreLoop
import Customers
import GatewayCore
import Hummingbird
import Messages
import Rules
import Store
import Telemetry
import Workshop

/// `/api/v1/suggestions/{id}/preparation`: all that a call takes, in one answer.
struct PreparationAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        router.group("/api/v1/suggestions/:id").get("/preparation") { request, context in
            try await preparation(request, context)
        }
    }

    private struct PreparationDTO: Encodable {
        struct Vehicle: Encodable {
            var vehicle: String
            var model: String?
            var plate: String?
        }

        struct Step: Encodable {
            var step: String
            var zh: String?
            var en: String?
        }

        var suggestion: SuggestionDTO
        var vehicle: Vehicle
        /// Masked; missing while nobody is known to own the vehicle.
        var customer: CustomerDTO?
        var contact: ContactDTO
        var attempts: [AttemptDTO]
        /// Of the vehicle, newest first.
        var visits: [AppointmentDTO]
        var script: [Step]
    }

    private func preparation(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        _ = try Query(request, known: [])
        let row = try await SuggestionsAPI(services: services).row(try id(context), context)
        let id = SuggestionID(rawValue: row.id)
        guard let block = await services.core.ask({ $0.contactBlock(id) }) else {
            throw APIProblem(Problem(.overloaded))
        }
        let owner = try await services.desk.owner(of: row.vehicle)
        let visits = try await services.reads.appointments(ofVehicle: row.vehicleID)
        let attempts = try await services.reads.attempts(onSuggestion: row.id)
        return try jsonResponse(
            PreparationDTO(
                suggestion: SuggestionDTO(row, services),
                vehicle: PreparationDTO.Vehicle(
                    vehicle: row.vehicle,
                    model: row.model,
                    plate: row.plate.map(Masking.plate)
                ),
                customer: owner.map { CustomerDTO($0, isMasked: true) },
                contact: ContactDTO(block),
                attempts: attempts.map(AttemptDTO.init),
                visits: visits.map(AppointmentDTO.init),
                script: script(row, owner, caller: context.caller.name)
            )
        )
    }

    // MARK: Script

    private func script(
        _ row: SuggestionRecord,
        _ owner: CustomerRecord?,
        caller: String
    ) -> [PreparationDTO.Step] {
        let zh = values(row, owner, caller, .chinese)
        let en = values(row, owner, caller, .english)
        let zone = services.station(row.stationCode).zone
        return services.messages.script.compactMap { step in
            func text(
                _ values: [Placeholder: MessageValue],
                _ language: CustomerLanguage
            ) -> String? {
                try? step.texts[language]?.rendered(
                    values,
                    in: LocalTime(zone: zone, language: language)
                )
            }
            let said = PreparationDTO.Step(
                step: step.name,
                zh: text(zh, .chinese),
                en: text(en, .english)
            )
            return said.zh == nil && said.en == nil ? nil : said
        }
    }

    /// How one speaks to the owner (张先生), which tells no more than the masked name does.
    private func address(_ owner: CustomerRecord) -> String? {
        guard let name = owner.profile.name, let first = name.first else { return nil }
        return owner.profile.salutation.map { "\(first)\($0)" } ?? Masking.name(name)
    }

    private func values(
        _ row: SuggestionRecord,
        _ owner: CustomerRecord?,
        _ caller: String,
        _ language: CustomerLanguage
    ) -> [Placeholder: MessageValue] {
        let station = services.station(row.stationCode)
        let texts = Texts(language: language == .chinese ? .zh : .en)
        let time = LocalTime(zone: station.zone, language: language)
        let comma = language == .chinese ? "、" : ", "
        let titles = row.jobs.compactMap { code in
            services.jobs.first { $0.code == code }.map {
                language == .chinese ? $0.titleZH : $0.titleEN
            }
        }
        let sentences = row.alerts.map {
            language == .chinese ? $0.sentence.zh : $0.sentence.en
        }
        let others = row.offers.filter { $0.start != row.slot?.start }
        let due = row.need.lines.filter { $0.due != nil }
        var values: [Placeholder: MessageValue] = [
            .caller: .text(caller),
            .station: .text(language == .chinese ? station.titleZH : station.titleEN),
            .phone: .text(station.phone),
            .items: .text(titles.joined(separator: comma)),
            .minutes: .count(row.minutes),
            .evidence: .text(sentences.joined(separator: " ")),
            .alternatives: .text(
                others.map { time.slot($0.start, $0.end) }.joined(separator: comma)
            ),
            .due: .text(due.map { texts.line($0, time) }.joined(separator: comma)),
            .latest: .day(row.latestBy),
        ]
        values[.slot] = row.slot.map { .slot($0.start, $0.end) }
        values[.name] = owner.flatMap(address).map(MessageValue.text)
        return values
    }
}
