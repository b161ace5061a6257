"""Notes the sample data that modules register, and fetches it through their downloader."""

sources: dict[str, dict] = {}
categories: list[str] = []


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataCategory(category, _title):
        categories.append(category)

    @staticmethod
    def registerCustomSampleDataSource(**source):
        sources[source["sampleName"]] = source

    def downloadSamples(self, name):
        return sources[name]["customDownloader"](sources[name])
