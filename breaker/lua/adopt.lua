-- Takes in what others did, and changes nothing else.
local refused = check()
if refused then return refused end
if replayed() then return answer('ok') end
adopt()
return finish()
