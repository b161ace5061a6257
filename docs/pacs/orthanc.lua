-- Orthanc hands each CT series that is complete to `flareseg watch`, and takes the results back.
--
-- In orthanc.json:  "LuaScripts": ["/path/to/orthanc.lua"], "StableAge": 60
-- The folder is taken from the environment: FLARESEG_INCOMING=/data/incoming Orthanc orthanc.json
-- Then:             flareseg watch /data/incoming /data/organs --format .dcm --sr
-- and to send what it wrote back:
--                   curl -sf -X POST http://localhost:8042/instances --data-binary @/data/organs/x_organs.dcm

local incoming = os.getenv('FLARESEG_INCOMING')

function OnStableSeries(seriesId, tags, metadata)
  if incoming == nil or tags['Modality'] ~= 'CT' then
    return
  end
  local folder = incoming .. '/' .. seriesId
  os.execute('mkdir -p "' .. folder .. '"')
  local instances = ParseJson(RestApiGet('/series/' .. seriesId))['Instances']
  for _, instance in pairs(instances) do
    -- hidden until it is whole: flareseg leaves out names that begin with a dot
    local hidden = folder .. '/.' .. instance
    local file = assert(io.open(hidden, 'wb'))
    file:write(RestApiGet('/instances/' .. instance .. '/file'))
    file:close()
    os.rename(hidden, folder .. '/' .. instance .. '.dcm')
  end
end
