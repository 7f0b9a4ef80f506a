import ConfigFiles
import Customers
import Foundation
import GatewayApp
import Messages
import Support
import Telemetry
import Testing

struct MessagesTests {
    private let time = LocalTime(zone: .utc, language: .chinese)

    private func book() throws -> MessageBook { try Fixtures.assembly().messages }

    /// The source document's own sentence, to the character.
    @Test func theSentenceOfTheSourceRenders() throws {
        let texts = try #require(try book().templates["tyre_low"])
        let chinese = try #require(texts[.chinese])
        #expect(try chinese.rendered([:], in: time) == "您的轮胎压力低于标准值,建议尽快到店检查")
        #expect(try book().alerts["tyre_pressure"]?.crossed == "tyre_low")
        let english = try #require(texts[.english])
        #expect(
            try english.rendered([:], in: time)
                == "Your tyre pressure is below the standard value; please have it checked soon"
        )
    }

    @Test func valuesStandInTheirPlaces() throws {
        let template = try MessageTemplate("{component} {value} < {limit}, {slot}, {date}")
        let start = Fixtures.start + .hours(13)
        let text = try template.rendered(
            [
                .component: .text("左前轮胎"),
                .value: .quantity(1.946, decimals: 2, unit: "bar"),
                .limit: .quantity(-0.5, decimals: 1, unit: "bar"),
                .slot: .slot(start, start + .minutes(50)), .date: .day(start),
            ],
            in: time
        )
        #expect(text == "左前轮胎 1.95 bar < -0.5 bar, 3月1日 周日 13:00–13:50, 3月1日 周日")
    }

    /// Nothing is left blank, and nothing stands where something else belongs.
    @Test(arguments: [
        nil, MessageValue.text("soon"), .count(3), .quantity(.nan, decimals: 1, unit: "bar"),
    ])
    func aMissingValueStopsTheMessage(value: MessageValue?) throws {
        let template = try MessageTemplate("{limit}")
        #expect(throws: MessageTemplate.MissingValue(placeholder: .limit)) {
            try template.rendered(value.map { [.limit: $0] } ?? [:], in: time)
        }
        let name = try MessageTemplate("{name}")
        #expect(throws: MessageTemplate.MissingValue(placeholder: .name)) {
            try name.rendered([.name: .text("")], in: time)
        }
    }

    @Test func everyTemplateExistsInBothLanguagesWithTheSamePlaceholders() throws {
        for (key, texts) in try book().templates {
            func placeholders(_ language: CustomerLanguage) -> Set<Placeholder> {
                Set(
                    (texts[language]?.pieces ?? []).compactMap { piece in
                        if case .placeholder(let placeholder) = piece { placeholder } else { nil }
                    }
                )
            }
            #expect(placeholders(.chinese) == placeholders(.english), "\(key)")
        }
    }

    @Test(arguments: [
        ("a: {zh-Hans: \"{nonsense}\", en: x}", "1:29: {nonsense} is no placeholder"),
        ("a: {zh-Hans: \"{name\", en: x}", "{name is no placeholder"),
        ("a: {zh-Hans: x}", "the key 'en' is missing"),
    ])
    func aWrongTextEndsWithItsPlace(text: String, complaint: String) throws {
        let folder = try ScratchFolder()
        _ = try folder.write("m/a.yaml", "templates: {\(text)}\n")
        let error = #expect(throws: ConfigError.self) {
            try MessageFile.load(folder: folder.path("m"))
        }
        #expect(error?.description.contains(complaint.split(separator: ": ").last ?? "") == true)
    }

    @Test func textsAreForRulesThereAre() throws {
        let assembly = try Fixtures.assembly()
        #expect(Set(assembly.messages.alerts.keys).isSubset(of: assembly.rules.map(\.id)))
    }

    /// queued → sent → delivered or failed; suppressed at once or never.
    @Test func aMessageGoesOneWay() {
        #expect(MessageState.queued.next == [.sent, .suppressed, .failed])
        #expect(MessageState.sent.next == [.delivered, .failed])
        for end in [MessageState.delivered, .failed, .suppressed] { #expect(end.next.isEmpty) }
    }
}
